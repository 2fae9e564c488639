"""Reading what others wrote: images, and one data set per file."""

from unstride.data.images import find_images as find_images
from unstride.data.images import load_image as load_image
from unstride.data.labelled import create_labelled as create_labelled
from unstride.data.labels import load_depth as load_depth
from unstride.data.labels import load_labels as load_labels
