"""A class for every pixel, over the photograph."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.viz.label_overlay import OPACITY, outlined, painted
from unstride.viz.legend import (
    Entry,
    with_legend,
)
from unstride.viz.palette import palette
from unstride.viz.pillow import line
from unstride.viz.rows import beside


def class_overlay(
    image: Float[Tensor, "3 h w"],
    labels: Int64[Tensor, "h w"],
    classes: Sequence[str],
    *,
    opacity: float = OPACITY,
) -> Float[Tensor, "3 H w"]:
    """Each class in its colour, thin lines between them, and a legend of those that occur.

    Args:
        image: RGB in [0, 1].
        labels: classes from 0; any other number, such as UNLABELLED, shows the photograph.
        classes: their names.
        opacity: of the colours, 0 to 1.
    """
    entries = class_entries([labels], classes)
    return with_legend(_laid(image, labels, classes, opacity), entries)


def compared(
    image: Float[Tensor, "3 h w"],
    truth: Int64[Tensor, "h w"],
    found: Int64[Tensor, "h w"],
    classes: Sequence[str],
) -> Float[Tensor, "3 H W"]:
    """The photograph, what is true and what was found, and a legend of what occurs in either.

    Args:
        image: RGB in [0, 1].
        truth: classes from 0, or UNLABELLED.
        found: classes from 0.
        classes: their names.
    """
    overlays = (_laid(image, labels, classes, OPACITY) for labels in (truth, found))
    return with_legend(beside(image, *overlays), class_entries([truth, found], classes))


def class_entries(maps: Sequence[Int64[Tensor, "_ _"]], classes: Sequence[str]) -> list[Entry]:
    """The classes that occur in the maps, the largest first, with their colours."""
    inside = torch.cat([m[(m >= 0) & (m < len(classes))] for m in maps])
    area = inside.bincount(minlength=len(classes)).cpu()
    order = area.argsort(descending=True, stable=True).tolist()
    colours = palette(classes).tolist()
    return [Entry(classes[i], tuple(colours[i])) for i in order if area[i]]


def _laid(image: Tensor, labels: Tensor, classes: Sequence[str], opacity: float) -> Tensor:
    picture = painted(image, labels, palette(classes), opacity=opacity)
    return outlined(picture, labels, width=line(*labels.shape))
