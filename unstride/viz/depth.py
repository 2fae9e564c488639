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
from unstride.viz.pillow import as_image, as_tensor, font, letters
from unstride.viz.rows import beside

LIGHTNESS = 0.94, 0.20  # of OKLab, from near to far
HUES = 1.85, 1.15, 0.55, -0.05, -0.75, -1.25  # radians: yellow, orange, red, magenta, violet
CHROMAS = 0.12, 0.155, 0.185, 0.19, 0.15, 0.075  # as far as a screen shows them at that lightness
UNKNOWN = 0.72  # grey where there is no depth
COLOURS = 256
USUAL = 0.02  # the share of pixels at either end that the scale need not reach
TICKS = 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0

Span = tuple[float, float]  # nearest and farthest, in metres


def depth_picture(
    depth: Float[Tensor, "h w"], span: Span | None = None, unit: str = "m"
) -> Float[Tensor, "3 H w"]:
    """Depth in colours, and under it a scale; grey where it is unknown.

    Args:
        depth: in metres, 0 where it is unknown.
        span: of the scale; by default what the picture holds, but for 2 % of it at either end.
        unit: that the scale shows; "" where depth has none.
    """
    chosen = span or depth_span(depth)
    picture = depth_colours(depth, chosen)
    bar = scale_bar(chosen, depth.shape[1], letters(*depth.shape), unit=unit)
    return torch.cat([picture, bar.to(picture)], 1)


def compared_depth(
    image: Float[Tensor, "3 _ _"],
    truth: Float[Tensor, "h w"],
    found: Float[Tensor, "h w"],
    span: Span | None = None,
) -> Float[Tensor, "3 H W"]:
    """The photograph, true depth and found depth, each with its scale.

    Args:
        image: RGB in [0, 1].
        truth: in metres, 0 where it is unknown.
        found: in metres, or in a unit of its own.
        span: of both scales; by default each has its own.
    """
    maps = (depth_picture(depth.cpu(), span) for depth in (truth, found))
    return beside(image.cpu(), *maps)


def depth_span(depth: Float[Tensor, "h w"]) -> Span:
    """From the nearest to the farthest, but for 2 % at either end; 1 to 2 m if none is known."""
    known = depth[(depth > 0) & depth.isfinite()].float()
    if not len(known):
        return 1.0, 2.0
    ordered = known.sort().values
    last = len(known) - 1
    near, far = (float(ordered[round(share * last)]) for share in (USUAL, 1 - USUAL))
    return (near, far) if far > 1.02 * near else (near / 1.05, near * 1.05)


def depth_colours(depth: Float[Tensor, "h w"], span: Span) -> Float[Tensor, "3 h w"]:
    """Colours whose lightness falls with depth; beyond the span those of its ends."""
    near, far = span
    known = depth > 0  # not NaN
    share = (torch.where(known, depth, near) / near).log() / log(far / near)
    colours = colour_map(share.clamp(0, 1))
    return torch.where(known, colours, UNKNOWN)


def colour_map(share: Float[Tensor, "..."]) -> Float[Tensor, "3 ..."]:
    """The colour at a share of the scale, 0 is near and 1 is far."""
    return _table().to(share).T[:, (share * (COLOURS - 1)).round().long()]


@cache
def _table() -> Float[Tensor, "n 3"]:
    at = torch.linspace(0, 1, COLOURS)
    light = LIGHTNESS[0] + at * (LIGHTNESS[1] - LIGHTNESS[0])
    hue, chroma = _between(HUES, at), _between(CHROMAS, at)
    return from_oklab(torch.stack([light, chroma * hue.cos(), chroma * hue.sin()], 1)).clamp(0, 1)


def _between(values: tuple[float, ...], at: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Values at even distances over [0, 1], and straight lines between them."""
    known, place = torch.tensor(values), at * (len(values) - 1)
    before = place.long().clamp(max=len(values) - 2)
    return torch.lerp(known[before], known[before + 1], place - before)


def scale_bar(span: Span, width: int, size: int, *, unit: str = "m") -> Float[Tensor, "3 h w"]:
    """The colours of a span from left to right, with ticks, on white.

    Args:
        span: in the unit.
        width: in pixels.
        size: of the letters, in pixels.
        unit: behind each number.
    """
    from PIL import Image, ImageDraw

    margin, written = size // 2, font(size)
    long, high = max(width - 2 * margin, 1), round(0.8 * size)
    canvas = Image.new("RGB", (width, margin + high + round(1.8 * size)), "white")
    colours = colour_map(torch.linspace(0, 1, long))[:, None].expand(3, high, long)
    canvas.paste(as_image(colours), (margin, margin))
    draw, end, under = ImageDraw.Draw(canvas), -1.0, margin + high
    for value in ticks(span):
        x = margin + round(log(value / span[0]) / log(span[1] / span[0]) * (long - 1))
        text = f"{value:g} {unit}".strip()
        half = written.getlength(text) / 2
        left = min(max(x - half, 0), width - 2 * half)
        draw.line([x, under, x, under + size // 4], "black", max(size // 13, 1))
        if left > end:
            draw.text((left, under + size / 4), text, fill="black", font=written)
            end = left + 2 * half + size
    return as_tensor(canvas)


def ticks(span: Span) -> list[float]:
    """Round numbers within a span: 1, 2, 5 and what lies between; finer ones of a short span."""
    near, far = span
    steps = [10.0**n for n in range(int(log10(near)) - 2, int(log10(far)) + 2)]
    found = [s * t for s in steps for t in TICKS if near <= s * t <= far]
    if len(found) >= 2:
        return [round(v, 9) for v in found]
    step = 10.0 ** (int(log10(far - near)) - 1)
    while (far - near) / step > 6:
        step *= 2
    first = int(near / step) + 1
    return [round(n * step, 9) for n in range(first, int(far / step) + 1)]
