"""What is measured and predicted, as pictures: tensors of RGB in [0, 1] in, and out."""

from unstride.viz.boxes import object_overlay as object_overlay
from unstride.viz.classes import class_overlay as class_overlay
from unstride.viz.classes import compared as compared
from unstride.viz.depth import compared_depth as compared_depth
from unstride.viz.depth import depth_picture as depth_picture
from unstride.viz.features import ColourSpace as ColourSpace
from unstride.viz.normals import normal_colours as normal_colours
from unstride.viz.palette import palette as palette
from unstride.viz.panoptic import panoptic_overlay as panoptic_overlay
from unstride.viz.pillow import save_png as save_png
from unstride.viz.rows import beside as beside
from unstride.viz.rows import side_by_side as side_by_side
