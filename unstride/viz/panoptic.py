"""Draws panoptic segments over an image: segments of a class have shades of its colour."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.viz.label_overlay import blend_labels, mark_boundaries
from unstride.viz.legend import LegendEntry, with_legend
from unstride.viz.palette import class_palette, segment_colours
from unstride.viz.pillow import line_width


def panoptic_overlay(
    image: Float[Tensor, "3 h w"],
    ids: Int64[Tensor, "h w"],
    segment_classes: Mapping[int, int],
    class_names: Sequence[str],
) -> Float[Tensor, "3 H W"]:
    """Draw each segment in a shade of its class's colour, with a legend that counts segments.

    Args:
        image: RGB in [0, 1].
        ids: segment id of each pixel; ids that are not in `segment_classes` are void and show the
            image.
        segment_classes: class, from 0, of each segment id.
        class_names: name of each class.
    """
    sorted_ids = sorted(segment_classes)
    colours = segment_colours([segment_classes[i] for i in sorted_ids], class_names)
    picture = blend_labels(image, segment_indices(ids, sorted_ids), colours)
    picture = mark_boundaries(picture, ids, width=line_width(*ids.shape))
    return with_legend(picture, panoptic_legend(segment_classes, class_names))


def segment_indices(ids: Int64[Tensor, "h w"], sorted_ids: Sequence[int]) -> Int64[Tensor, "h w"]:
    """Index of each pixel's id in a sorted list of ids, or -1 if it is not in the list."""
    if not sorted_ids:
        return torch.full_like(ids, -1)
    listed = torch.tensor(sorted_ids, device=ids.device)
    index = torch.searchsorted(listed, ids).clamp(max=len(sorted_ids) - 1)
    return torch.where(listed[index] == ids, index, -1)


def panoptic_legend(
    segment_classes: Mapping[int, int], class_names: Sequence[str]
) -> list[LegendEntry]:
    """Legend entries of the segments' classes, in class order, with the count if above one."""
    classes, colours = list(segment_classes.values()), class_palette(class_names).tolist()
    entries = []
    for index in sorted(set(classes)):
        count, name = classes.count(index), class_names[index]
        caption = name if count == 1 else f"{name} x {count}"
        entries.append(LegendEntry(caption, tuple(colours[index])))
    return entries
