"""Blends label colours into an image and marks the boundaries between labels."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

OPACITY = 0.55


def blend_labels(
    image: Float[Tensor, "3 h w"],
    labels: Int64[Tensor, "h w"],
    colours: Float[Tensor, "n 3"],
    *,
    opacity: float = OPACITY,
) -> Float[Tensor, "3 h w"]:
    """(1 - opacity) image + opacity colour; the image itself where a label has no colour.

    Args:
        image: RGB in [0, 1].
        labels: index of each pixel's colour.
        colours: RGB in [0, 1].
        opacity: opacity of the colours, in [0, 1].
    """
    has_colour = (labels >= 0) & (labels < len(colours))
    if not has_colour.any():
        return image
    indices = labels.clamp(0, len(colours) - 1).flatten()
    colour = colours.to(image).T.contiguous().index_select(1, indices).view_as(image)
    return torch.where(has_colour, torch.lerp(image, colour, opacity), image)


def label_boundaries(labels: Int64[Tensor, "h w"], width: int = 1) -> Bool[Tensor, "h w"]:
    """Where the pixel to the right or below has another label; lines `width` pixels wide."""
    boundary = torch.zeros_like(labels, dtype=torch.bool)
    boundary[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    boundary[:-1] |= labels[:-1] != labels[1:]
    for step in range(1, width):  # one pixel wider, to the right and left by turns
        thin = boundary.clone()
        for wide, line in ((boundary, thin), (boundary.T, thin.T)):
            target, shifted = (wide[1:], line[:-1]) if step % 2 else (wide[:-1], line[1:])
            target |= shifted
    return boundary


def mark_boundaries(
    picture: Float[Tensor, "3 h w"],
    labels: Int64[Tensor, "h w"],
    *,
    width: int,
    brightness: float = 1.0,
) -> Float[Tensor, "3 h w"]:
    """Draw thin lines between pixels with different labels.

    Args:
        picture: RGB in [0, 1].
        labels: label of each pixel.
        width: width of the lines, in pixels.
        brightness: brightness of the lines; 1 is white.
    """
    marked = 0.35 * picture + 0.65 * brightness
    return torch.where(label_boundaries(labels, width), marked, picture)
