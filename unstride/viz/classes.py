"""A class for every pixel, over the photograph."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.viz.label_overlay import OPACITY, blend_labels, mark_boundaries
from unstride.viz.legend import (
    LegendEntry,
    with_legend,
)
from unstride.viz.palette import class_palette
from unstride.viz.pillow import line_width
from unstride.viz.rows import image_row


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
    entries = class_legend([labels], classes)
    return with_legend(_overlay(image, labels, classes, opacity), entries)


def segmentation_comparison(
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
    overlays = (_overlay(image, labels, classes, OPACITY) for labels in (truth, found))
    return with_legend(image_row(image, *overlays), class_legend([truth, found], classes))


def class_legend(maps: Sequence[Int64[Tensor, "_ _"]], classes: Sequence[str]) -> list[LegendEntry]:
    """The classes that occur in the maps, the largest first, with their colours."""
    inside = torch.cat([m[(m >= 0) & (m < len(classes))] for m in maps])
    area = inside.bincount(minlength=len(classes)).cpu()
    order = area.argsort(descending=True, stable=True).tolist()
    colours = class_palette(classes).tolist()
    return [LegendEntry(classes[i], tuple(colours[i])) for i in order if area[i]]


def _overlay(image: Tensor, labels: Tensor, classes: Sequence[str], opacity: float) -> Tensor:
    picture = blend_labels(image, labels, class_palette(classes), opacity=opacity)
    return mark_boundaries(picture, labels, width=line_width(*labels.shape))
