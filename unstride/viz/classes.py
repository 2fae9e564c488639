"""Draws a class label map over an image."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.viz.label_overlay import OPACITY, blend_labels, mark_boundaries
from unstride.viz.legend import LegendEntry, with_legend
from unstride.viz.palette import class_palette
from unstride.viz.pillow import line_width
from unstride.viz.rows import image_row


def class_overlay(
    image: Float[Tensor, "3 h w"],
    labels: Int64[Tensor, "h w"],
    class_names: Sequence[str],
    *,
    opacity: float = OPACITY,
) -> Float[Tensor, "3 H W"]:
    """Blend class colours into an image, with thin boundaries and a legend of the classes present.

    Like all pictures of this package, it is shrunk if a side would be longer than MAX_SIDE.

    Args:
        image: RGB in [0, 1].
        labels: classes from 0. Pixels with any other value, such as UNLABELLED, show the image.
        class_names: name of each class.
        opacity: opacity of the colours, in [0, 1].
    """
    entries = class_legend([labels], class_names)
    return with_legend(_overlay(image, labels, class_names, opacity), entries)


def segmentation_comparison(
    image: Float[Tensor, "3 h w"],
    truth: Int64[Tensor, "h w"],
    predicted: Int64[Tensor, "h w"],
    class_names: Sequence[str],
) -> Float[Tensor, "3 H W"]:
    """Show image, ground truth and prediction in a row, with one legend of the classes in either.

    Args:
        image: RGB in [0, 1].
        truth: classes from 0, or UNLABELLED.
        predicted: classes from 0.
        class_names: name of each class.
    """
    overlays = (_overlay(image, labels, class_names, OPACITY) for labels in (truth, predicted))
    return with_legend(image_row(image, *overlays), class_legend([truth, predicted], class_names))


def class_legend(
    label_maps: Sequence[Int64[Tensor, "_ _"]], class_names: Sequence[str]
) -> list[LegendEntry]:
    """Legend entries of the classes that occur in the label maps, largest area first."""
    count = len(class_names)
    labels = torch.cat([m[(m >= 0) & (m < count)] for m in label_maps])
    area = labels.bincount(minlength=count).cpu()
    order = area.argsort(descending=True, stable=True).tolist()
    colours = class_palette(class_names).tolist()
    return [LegendEntry(class_names[i], tuple(colours[i])) for i in order if area[i]]


def _overlay(image: Tensor, labels: Tensor, class_names: Sequence[str], opacity: float) -> Tensor:
    picture = blend_labels(image, labels, class_palette(class_names), opacity=opacity)
    return mark_boundaries(picture, labels, width=line_width(*labels.shape))
