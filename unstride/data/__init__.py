"""Reading what others wrote: images, and one data set per file."""

from unstride.data.images import find_images as find_images
from unstride.data.images import load_image as load_image
