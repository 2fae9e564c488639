"""Draws features, predictions and footprints as pictures: RGB tensors in [0, 1] in and out."""

from unstride.viz.boxes import detection_overlay as detection_overlay
from unstride.viz.classes import class_overlay as class_overlay
from unstride.viz.classes import segmentation_comparison as segmentation_comparison
from unstride.viz.depth import depth_comparison as depth_comparison
from unstride.viz.depth import depth_picture as depth_picture
from unstride.viz.features import PCAColours as PCAColours
from unstride.viz.normals import normal_colours as normal_colours
from unstride.viz.palette import class_palette as class_palette
from unstride.viz.panoptic import panoptic_overlay as panoptic_overlay
from unstride.viz.pillow import save_png as save_png
from unstride.viz.rows import captioned_row as captioned_row
from unstride.viz.rows import image_row as image_row
