"""Colour laid over a photograph, by the number of each pixel."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

OPACITY = 0.55


def blend_labels(
    image: Float[Tensor, "3 h w"],
    numbers: Int64[Tensor, "h w"],
    colours: Float[Tensor, "n 3"],
    *,
    opacity: float = OPACITY,
) -> Float[Tensor, "3 h w"]:
    """(1 - opacity) image + opacity colour; the image itself where a number has no colour.

    Args:
        image: RGB in [0, 1].
        numbers: of each pixel, the place of its colour.
        colours: RGB in [0, 1].
        opacity: of the colours, 0 to 1.
    """
    inside = (numbers >= 0) & (numbers < len(colours))
    if not inside.any():
        return image
    places = numbers.clamp(0, len(colours) - 1).flatten()
    chosen = colours.to(image).T.contiguous().index_select(1, places).view_as(image)
    return torch.where(inside, torch.lerp(image, chosen, opacity), image)


def label_boundaries(numbers: Int64[Tensor, "h w"], width: int = 1) -> Bool[Tensor, "h w"]:
    """Where the pixel to the right or below has another number; lines that many pixels wide."""
    found = torch.zeros_like(numbers, dtype=torch.bool)
    found[:, :-1] |= numbers[:, :-1] != numbers[:, 1:]
    found[:-1] |= numbers[:-1] != numbers[1:]
    for step in range(1, width):  # one pixel wider, to the right and left by turns
        thin = found.clone()
        for wide, line in ((found, thin), (found.T, thin.T)):
            before, after = (wide[1:], line[:-1]) if step % 2 else (wide[:-1], line[1:])
            before |= after
    return found


def mark_boundaries(
    picture: Float[Tensor, "3 h w"],
    numbers: Int64[Tensor, "h w"],
    *,
    width: int,
    shade: float = 1.0,
) -> Float[Tensor, "3 h w"]:
    """With thin lines between unlike numbers.

    Args:
        picture: RGB in [0, 1].
        numbers: of each pixel.
        width: of the lines, in pixels.
        shade: of the lines, 1 is white.
    """
    return torch.where(label_boundaries(numbers, width), 0.35 * picture + 0.65 * shade, picture)
