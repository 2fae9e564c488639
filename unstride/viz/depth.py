"""Depth as colour: near is light yellow, far is dark violet, in equal steps of its logarithm.

The lightness of the colours falls evenly, so that the map can be read in grey and by those who do
not tell red from green.
"""

from functools import cache
from math import log, log10

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.viz.oklab import from_oklab
from unstride.viz.pillow import default_font, font_size, to_pil_image, to_tensor
from unstride.viz.rows import image_row

LIGHTNESS_ENDS = 0.94, 0.20  # of OKLab, from near to far
HUE_STOPS = 1.85, 1.15, 0.55, -0.05, -0.75, -1.25  # radians: yellow, orange, red, magenta, violet
CHROMA_STOPS = 0.12, 0.155, 0.185, 0.19, 0.15, 0.075  # the most that screens show at that lightness
UNKNOWN_GREY = 0.72  # grey where there is no depth
COLOUR_COUNT = 256
CLIPPED_SHARE = 0.02  # the share of pixels at either end that the scale need not reach
TICK_MULTIPLES = 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0

Limits = tuple[float, float]  # nearest and farthest, in metres


def depth_picture(
    depth: Float[Tensor, "h w"], span: Limits | None = None, unit: str = "m"
) -> Float[Tensor, "3 H w"]:
    """Depth in colours, and under it a scale; grey where it is unknown.

    Args:
        depth: in metres, 0 where it is unknown.
        span: of the scale; by default what the picture holds, but for 2 % of it at either end.
        unit: that the scale shows; "" where depth has none.
    """
    chosen = span or depth_limits(depth)
    picture = depth_colours(depth, chosen)
    bar = colour_bar(chosen, depth.shape[1], font_size(*depth.shape), unit=unit)
    return torch.cat([picture, bar.to(picture)], 1)


def depth_comparison(
    image: Float[Tensor, "3 _ _"],
    truth: Float[Tensor, "h w"],
    found: Float[Tensor, "h w"],
    span: Limits | None = None,
) -> Float[Tensor, "3 H W"]:
    """The photograph, true depth and found depth, each with its scale.

    Args:
        image: RGB in [0, 1].
        truth: in metres, 0 where it is unknown.
        found: in metres, or in a unit of its own.
        span: of both scales; by default each has its own.
    """
    maps = (depth_picture(depth.cpu(), span) for depth in (truth, found))
    return image_row(image.cpu(), *maps)


def depth_limits(depth: Float[Tensor, "h w"]) -> Limits:
    """From the nearest to the farthest, but for 2 % at either end; 1 to 2 m if none is known."""
    known = depth[(depth > 0) & depth.isfinite()].float()
    if not len(known):
        return 1.0, 2.0
    ordered = known.sort().values
    last = len(known) - 1
    shares = CLIPPED_SHARE, 1 - CLIPPED_SHARE
    near, far = (float(ordered[round(share * last)]) for share in shares)
    return (near, far) if far > 1.02 * near else (near / 1.05, near * 1.05)


def depth_colours(depth: Float[Tensor, "h w"], span: Limits) -> Float[Tensor, "3 h w"]:
    """Colours whose lightness falls with depth; beyond the span those of its ends."""
    near, far = span
    known = depth > 0  # not NaN
    share = (torch.where(known, depth, near) / near).log() / log(far / near)
    colours = colour_map(share.clamp(0, 1))
    return torch.where(known, colours, UNKNOWN_GREY)


def colour_map(share: Float[Tensor, "..."]) -> Float[Tensor, "3 ..."]:
    """The colour at a share of the scale, 0 is near and 1 is far."""
    return _colour_table().to(share).T[:, (share * (COLOUR_COUNT - 1)).round().long()]


@cache
def _colour_table() -> Float[Tensor, "n 3"]:
    at = torch.linspace(0, 1, COLOUR_COUNT)
    light = LIGHTNESS_ENDS[0] + at * (LIGHTNESS_ENDS[1] - LIGHTNESS_ENDS[0])
    hue, chroma = _interpolate(HUE_STOPS, at), _interpolate(CHROMA_STOPS, at)
    return from_oklab(torch.stack([light, chroma * hue.cos(), chroma * hue.sin()], 1)).clamp(0, 1)


def _interpolate(values: tuple[float, ...], at: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Values at even distances over [0, 1], and straight lines between them."""
    known, place = torch.tensor(values), at * (len(values) - 1)
    before = place.long().clamp(max=len(values) - 2)
    return torch.lerp(known[before], known[before + 1], place - before)


def colour_bar(span: Limits, width: int, size: int, *, unit: str = "m") -> Float[Tensor, "3 h w"]:
    """The colours of a span from left to right, with ticks, on white.

    Args:
        span: in the unit.
        width: in pixels.
        size: of the letters, in pixels.
        unit: behind each number.
    """
    from PIL import Image, ImageDraw

    margin, written = size // 2, default_font(size)
    long, high = max(width - 2 * margin, 1), round(0.8 * size)
    canvas = Image.new("RGB", (width, margin + high + round(1.8 * size)), "white")
    colours = colour_map(torch.linspace(0, 1, long))[:, None].expand(3, high, long)
    canvas.paste(to_pil_image(colours), (margin, margin))
    draw, end, under = ImageDraw.Draw(canvas), -1.0, margin + high
    for value in tick_values(span):
        x = margin + round(log(value / span[0]) / log(span[1] / span[0]) * (long - 1))
        text = f"{value:g} {unit}".strip()
        half = written.getlength(text) / 2
        left = min(max(x - half, 0), width - 2 * half)
        draw.line([x, under, x, under + size // 4], "black", max(size // 13, 1))
        if left > end:
            draw.text((left, under + size / 4), text, fill="black", font=written)
            end = left + 2 * half + size
    return to_tensor(canvas)


def tick_values(span: Limits) -> list[float]:
    """Round numbers within a span: 1, 2, 5 and what lies between; finer ones of a short span."""
    near, far = span
    steps = [10.0**n for n in range(int(log10(near)) - 2, int(log10(far)) + 2)]
    found = [s * t for s in steps for t in TICK_MULTIPLES if near <= s * t <= far]
    if len(found) >= 2:
        return [round(v, 9) for v in found]
    step = 10.0 ** (int(log10(far - near)) - 1)
    while (far - near) / step > 6:
        step *= 2
    first = int(near / step) + 1
    return [round(n * step, 9) for n in range(first, int(far / step) + 1)]
