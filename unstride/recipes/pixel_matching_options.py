"""Options that PixPro and PixContrast share: which cells match."""

from dataclasses import dataclass

from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.training.options import PositiveFloat


@dataclass(frozen=True, kw_only=True)
class PixelMatchingOptions(PretrainingOptions):
    """Options of the recipes that match cells by their places.

    Args:
        threshold: largest distance of cells that match, in diagonals of a cell.
        strict: a distance of exactly the threshold is too much, as in the released code; in the
            paper it is not.
        permuted: control: match with the places of another image. The gain must vanish.
    """

    threshold: PositiveFloat = 0.7
    strict: bool = True
    permuted: bool = False
