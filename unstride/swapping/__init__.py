"""Swaps the upsampling of any model for another upsampler: find the places, swap, unswap."""

from unstride.swapping.dry_run import find_places as find_places
from unstride.swapping.surgery import swap as swap
from unstride.swapping.surgery import unswap as unswap
