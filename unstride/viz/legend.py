"""Draws a legend below a picture: a colour chip and a name per entry."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.viz.picture_size import bounded_picture
from unstride.viz.pillow import default_font, font_size, to_tensor


class LegendEntry(NamedTuple):
    """A name and its colour, RGB in [0, 1]."""

    name: str
    colour: tuple[float, float, float]


def with_legend(
    picture: Float[Tensor, "3 h w"], entries: Sequence[LegendEntry]
) -> Float[Tensor, "3 H W"]:
    """The picture with a legend below it, on as many lines as needed; no side above MAX_SIDE."""
    picture = bounded_picture(picture)
    if not entries:
        return picture
    strip = legend_strip(entries, picture.shape[2], font_size(picture.shape[1], picture.shape[2]))
    return bounded_picture(torch.cat([picture, strip.to(picture)], 1))


def legend_strip(
    entries: Sequence[LegendEntry], width: int, text_size: int
) -> Float[Tensor, "3 h w"]:
    """Draw colour chips with names on white, from left to right, in lines.

    Args:
        entries: in the order in which they are drawn.
        width: width of the strip, in pixels; a wider name is cut off.
        text_size: in pixels.
    """
    from PIL import Image, ImageDraw

    font, margin, line_height = default_font(text_size), text_size // 2, round(1.6 * text_size)
    chip_to_name = round(1.4 * text_size)
    corners, x, y = [], margin, margin
    for entry in entries:
        entry_width = round(1.4 * text_size + font.getlength(entry.name))
        if x > margin and x + entry_width > width - margin:
            x, y = margin, y + line_height
        corners.append((x, y))
        x += entry_width + text_size
    canvas = Image.new("RGB", (width, y + text_size + margin), "white")
    draw = ImageDraw.Draw(canvas)
    for (name, colour), (x, y) in zip(entries, corners, strict=True):
        fill = to_rgb_bytes(colour)
        draw.rectangle([x, y, x + text_size - 1, y + text_size - 1], fill)
        middle = x + chip_to_name, y + text_size / 2
        draw.text(middle, name, fill="black", font=font, anchor="lm")
    return to_tensor(canvas)


def to_rgb_bytes(colour: Sequence[float]) -> tuple[int, int, int]:
    """Convert RGB in [0, 1] to Pillow's 0 to 255."""
    red, green, blue = (round(255 * min(max(float(v), 0.0), 1.0)) for v in colour)
    return red, green, blue
