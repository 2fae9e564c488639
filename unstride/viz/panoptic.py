"""Segments over the photograph: objects of a class in shades of its colour."""

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
    classes_of: Mapping[int, int],
    classes: Sequence[str],
) -> Float[Tensor, "3 H w"]:
    """Each segment in a shade of its class's colour; a legend of the classes, with how many.

    Args:
        image: RGB in [0, 1].
        ids: of the segments; ids that `classes_of` does not have are void, and not painted.
        classes_of: the class, from 0, of each segment by its id.
        classes: their names.
    """
    known = sorted(classes_of)
    colours = segment_colours([classes_of[i] for i in known], classes)
    picture = blend_labels(image, segment_indices(ids, known), colours)
    picture = mark_boundaries(picture, ids, width=line_width(*ids.shape))
    return with_legend(picture, panoptic_legend(classes_of, classes))


def segment_indices(ids: Int64[Tensor, "h w"], known: Sequence[int]) -> Int64[Tensor, "h w"]:
    """The place of each pixel's id among those that are known and sorted, or -1."""
    if not known:
        return torch.full_like(ids, -1)
    listed = torch.tensor(known, device=ids.device)
    place = torch.searchsorted(listed, ids).clamp(max=len(known) - 1)
    return torch.where(listed[place] == ids, place, -1)


def panoptic_legend(classes_of: Mapping[int, int], classes: Sequence[str]) -> list[LegendEntry]:
    """The classes of the segments, in their order; of several segments how many."""
    numbers, colours = list(classes_of.values()), class_palette(classes).tolist()
    entries = []
    for number in sorted(set(numbers)):
        many = numbers.count(number)
        name = classes[number] if many == 1 else f"{classes[number]} x {many}"
        entries.append(LegendEntry(name, tuple(colours[number])))
    return entries
