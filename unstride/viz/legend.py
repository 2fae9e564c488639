"""What colours mean: chips and names under a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.viz.pillow import default_font, font_size, to_tensor


class LegendEntry(NamedTuple):
    """A name and its colour, RGB in [0, 1]."""

    name: str
    colour: tuple[float, float, float]


def with_legend(
    picture: Float[Tensor, "3 h w"], entries: Sequence[LegendEntry]
) -> Float[Tensor, "3 H w"]:
    """The picture, and under it the entries, in their order, in as many lines as they take."""
    if not entries:
        return picture
    strip = legend_strip(entries, picture.shape[2], font_size(picture.shape[1], picture.shape[2]))
    return torch.cat([picture, strip.to(picture)], 1)


def legend_strip(entries: Sequence[LegendEntry], width: int, size: int) -> Float[Tensor, "3 h w"]:
    """Chips with names, in lines, on white.

    Args:
        entries: from left to right.
        width: of the strip, in pixels; a name that is wider is cut.
        size: of the letters, in pixels.
    """
    from PIL import Image, ImageDraw

    written, margin, step = default_font(size), size // 2, round(1.6 * size)
    places, x, y = [], margin, margin
    for entry in entries:
        long = round(1.4 * size + written.getlength(entry.name))
        if x > margin and x + long > width - margin:
            x, y = margin, y + step
        places.append((x, y))
        x += long + size
    canvas = Image.new("RGB", (width, y + size + margin), "white")
    draw = ImageDraw.Draw(canvas)
    for (name, colour), (x, y) in zip(entries, places, strict=True):
        fill = to_rgb_bytes(colour)
        draw.rectangle([x, y, x + size - 1, y + size - 1], fill)
        middle = x + round(1.4 * size), y + size / 2
        draw.text(middle, name, fill="black", font=written, anchor="lm")
    return to_tensor(canvas)


def to_rgb_bytes(colour: Sequence[float]) -> tuple[int, int, int]:
    """RGB in [0, 1] as Pillow has it."""
    red, green, blue = (round(255 * min(max(float(v), 0.0), 1.0)) for v in colour)
    return red, green, blue
