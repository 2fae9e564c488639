"""Colours depth maps: near is light yellow, far is dark violet, in equal steps of log depth.

The lightness of the colour map falls evenly, so it can be read in grey and without telling red
from green.
"""

from functools import cache
from math import log, log10

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.viz.oklab import from_oklab
from unstride.viz.picture_size import bounded_picture
from unstride.viz.pillow import default_font, font_size, to_pil_image, to_tensor
from unstride.viz.rows import image_row

LIGHTNESS_ENDS = 0.94, 0.20  # OKLab lightness of the nearest and the farthest depth
HUE_STOPS = 1.85, 1.15, 0.55, -0.05, -0.75, -1.25  # radians: yellow, orange, red, magenta, violet
CHROMA_STOPS = 0.12, 0.155, 0.185, 0.19, 0.15, 0.075  # highest that sRGB has at that lightness
UNKNOWN_GREY = 0.72  # grey value of pixels without depth
COLOUR_COUNT = 256
CLIPPED_SHARE = 0.02  # share of the pixels at either end that the default limits leave out
TICK_MULTIPLES = 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0  # ticks are these, times powers of ten

Limits = tuple[float, float]  # nearest and farthest depth, in metres


def depth_picture(
    depth: Float[Tensor, "h w"], limits: Limits | None = None, unit: str = "m"
) -> Float[Tensor, "3 H W"]:
    """Colour a depth map and draw a colour bar below it; unknown depth is grey.

    The picture is shrunk if a side would be longer than MAX_SIDE.

    Args:
        depth: in metres, 0 where it is unknown.
        limits: ends of the colour map. Default: `depth_limits` of the map.
        unit: unit on the colour bar; "" for depth without a unit.
    """
    limits = limits or depth_limits(depth)
    picture = bounded_picture(depth_colours(depth, limits))
    height, width = picture.shape[1:]
    bar = colour_bar(limits, width, font_size(height, width), unit=unit)
    return bounded_picture(torch.cat([picture, bar.to(picture)], 1))


def depth_comparison(
    image: Float[Tensor, "3 _ _"],
    truth: Float[Tensor, "h w"],
    predicted: Float[Tensor, "h w"],
    limits: Limits | None = None,
) -> Float[Tensor, "3 H W"]:
    """Show image, true depth and predicted depth in a row, each depth with its colour bar.

    Args:
        image: RGB in [0, 1].
        truth: in metres, 0 where it is unknown.
        predicted: in metres, or in a unit of its own.
        limits: ends of both colour maps. Default: each map has its own.
    """
    maps = (depth_picture(depth.cpu(), limits) for depth in (truth, predicted))
    return image_row(image.cpu(), *maps)


def depth_limits(depth: Float[Tensor, "h w"]) -> Limits:
    """Nearest and farthest depth without the 2 % at either end; (1, 2) if no depth is known."""
    known = depth[(depth > 0) & depth.isfinite()].float()
    if not len(known):
        return 1.0, 2.0
    ordered = known.sort().values
    last = len(known) - 1
    shares = CLIPPED_SHARE, 1 - CLIPPED_SHARE
    near, far = (float(ordered[round(share * last)]) for share in shares)
    return (near, far) if far > 1.02 * near else (near / 1.05, near * 1.05)


def depth_colours(depth: Float[Tensor, "h w"], limits: Limits) -> Float[Tensor, "3 h w"]:
    """Colour a depth map; depth beyond the limits has the colour of the nearer limit."""
    near, far = limits
    known = depth > 0  # False for NaN
    fraction = (torch.where(known, depth, near) / near).log() / log(far / near)
    colours = colour_map(fraction.clamp(0, 1))
    return torch.where(known, colours, UNKNOWN_GREY)


def colour_map(fraction: Float[Tensor, "..."]) -> Float[Tensor, "3 ..."]:
    """Colour at a position on the colour map: 0 is near, 1 is far."""
    return _colour_table().to(fraction).T[:, (fraction * (COLOUR_COUNT - 1)).round().long()]


@cache
def _colour_table() -> Float[Tensor, "n 3"]:
    positions = torch.linspace(0, 1, COLOUR_COUNT)
    near, far = LIGHTNESS_ENDS
    lightness = near + positions * (far - near)
    hue, chroma = _interpolate(HUE_STOPS, positions), _interpolate(CHROMA_STOPS, positions)
    lab = torch.stack([lightness, chroma * hue.cos(), chroma * hue.sin()], 1)
    return from_oklab(lab).clamp(0, 1)


def _interpolate(values: tuple[float, ...], positions: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Interpolate linearly between values that are evenly spaced over [0, 1]."""
    stops, place = torch.tensor(values), positions * (len(values) - 1)
    left = place.long().clamp(max=len(values) - 2)
    return torch.lerp(stops[left], stops[left + 1], place - left)


def colour_bar(
    limits: Limits, width: int, text_size: int, *, unit: str = "m"
) -> Float[Tensor, "3 h w"]:
    """Draw the colour map from left to right on white, with ticks.

    Args:
        limits: depth at the left and the right end.
        width: in pixels.
        text_size: in pixels.
        unit: written after each number.
    """
    from PIL import Image, ImageDraw

    margin, font = text_size // 2, default_font(text_size)
    bar_width, bar_height = max(width - 2 * margin, 1), round(0.8 * text_size)
    canvas = Image.new("RGB", (width, margin + bar_height + round(1.8 * text_size)), "white")
    colours = colour_map(torch.linspace(0, 1, bar_width))[:, None].expand(3, bar_height, bar_width)
    canvas.paste(to_pil_image(colours), (margin, margin))
    draw, text_end, bottom = ImageDraw.Draw(canvas), -1.0, margin + bar_height
    for value in tick_values(limits):
        fraction = log(value / limits[0]) / log(limits[1] / limits[0])
        x = margin + round(fraction * (bar_width - 1))
        text = f"{value:g} {unit}".strip()
        half = font.getlength(text) / 2
        left = min(max(x - half, 0), width - 2 * half)
        draw.line([x, bottom, x, bottom + text_size // 4], "black", max(text_size // 13, 1))
        if left > text_end:
            draw.text((left, bottom + text_size / 4), text, fill="black", font=font)
            text_end = left + 2 * half + text_size
    return to_tensor(canvas)


def tick_values(limits: Limits) -> list[float]:
    """Round numbers within the limits: 1, 2, 5 and some between; finer ones in a short range."""
    near, far = limits
    powers = [10.0**n for n in range(int(log10(near)) - 2, int(log10(far)) + 2)]
    ticks = [p * m for p in powers for m in TICK_MULTIPLES if near <= p * m <= far]
    if len(ticks) >= 2:
        return [round(v, 9) for v in ticks]
    step = 10.0 ** (int(log10(far - near)) - 1)
    while (far - near) / step > 6:
        step *= 2
    first = int(near / step) + 1
    return [round(n * step, 9) for n in range(first, int(far / step) + 1)]
