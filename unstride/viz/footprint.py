"""Weights as dots on a photograph: where an output pixel takes its value from, to look at."""

import math

from jaxtyping import Float
from torch import Tensor

from unstride.viz.pillow import as_image, as_tensor

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the photograph

SMOOTH = 2  # drawn larger by this, then shrunk, for round dots
FADE = 0.2  # towards white, so that dots stand out
GRID, RED, BLUE, GREEN = (255, 255, 255, 90), (225, 20, 30, 235), (30, 80, 235, 235), (0, 215, 60)
BEYOND = (225, 225, 225)
VISIBLE = 0.02  # of the largest weight: the closer view shows every cell that has as much


def dotted(
    photo: Float[Tensor, "1 3 h w"],
    weights: Float[Tensor, "gh gw"],
    cell: tuple[float, float],
    point: tuple[float, float],
    *,
    box: Box | None = None,
    height: int = 400,
) -> Float[Tensor, "1 3 H W"]:
    """The photograph under a faint grid; a green circle at the point, a dot in each cell.

    A dot's area is its cell's share of the largest weight; red is positive, blue negative.

    Args:
        photo: RGB in [0, 1].
        weights: of the cells, the first of which begins at the photograph's corner.
        cell: its height and width, in pixels of the photograph.
        point: (x, y), in pixels of the photograph.
        box: what is shown; by default the photograph. What lies beyond it is grey.
        height: of the picture, in pixels.
    """
    from PIL import Image, ImageDraw

    left, top, right, bottom = box or (0.0, 0.0, float(photo.shape[3]), float(photo.shape[2]))
    zoom = height * SMOOTH / (bottom - top)  # picture elements per pixel of the photograph
    size = max(round((right - left) * zoom), 1), height * SMOOTH
    shown = photo[0] * (1 - FADE) + FADE
    canvas = _crop(as_image(shown), (left, top, right, bottom), size)
    draw = ImageDraw.Draw(canvas, "RGBA")

    (gh, gw), (ch, cw) = weights.shape, cell
    if min(cell) * zoom >= 12 * SMOOTH:  # a finer grid would hide the photograph
        for x in _inside(left, right, cw, gw):
            at = (x * cw - left) * zoom
            draw.line([at, 0, at, min((gh * ch - top) * zoom, size[1])], GRID, SMOOTH)
        for y in _inside(top, bottom, ch, gh):
            at = (y * ch - top) * zoom
            draw.line([0, at, min((gw * cw - left) * zoom, size[0]), at], GRID, SMOOTH)

    largest = float(weights.abs().max())
    full = min(max(0.36 * min(cell) * zoom, 2.5 * SMOOTH), height * SMOOTH / 24)
    for y, x in (weights.abs() > largest * 1e-4).nonzero().tolist():
        share = float(weights[y, x]) / largest
        centre = ((x + 0.5) * cw - left) * zoom, ((y + 0.5) * ch - top) * zoom
        radius = full * math.sqrt(abs(share))
        if radius >= SMOOTH / 2:
            _disc(draw, centre, radius, RED if share > 0 else BLUE)
    _ring(draw, ((point[0] - left) * zoom, (point[1] - top) * zoom), height * SMOOTH / 45)
    picture = canvas.resize((max(size[0] // SMOOTH, 1), height), Image.Resampling.LANCZOS)
    return as_tensor(picture)[None]


def closer(
    weights: Float[Tensor, "gh gw"], cell: tuple[float, float], point: tuple[float, float]
) -> Box:
    """The square around the point and every cell with weight, with a margin of a cell.

    It is moved onto the grid where it would look beyond.
    """
    cells = (weights.abs() >= max(VISIBLE * float(weights.abs().max()), 1e-12)).nonzero()
    ranges = []
    for axis, place in enumerate((point[1], point[0])):
        found, step = cells[:, axis], cell[axis]
        ends = [float(found.min()) * step, float(found.max() + 1) * step] if len(cells) else []
        ranges.append((min(place, *ends), max(place, *ends)) if ends else (place, place))
    side = max(*(high - low + cell[i] for i, (low, high) in enumerate(ranges)), 3 * max(cell))
    first = []
    for axis, (low, high) in enumerate(ranges):
        room = weights.shape[axis] * cell[axis] - side
        start = (low + high - side) / 2
        first.append(min(max(start, 0.0), room) if room > 0 else room / 2)
    return first[1], first[0], first[1] + side, first[0] + side


def _crop(image, box: Box, size: tuple[int, int]):
    """The part of an image in a box, at a size; grey beyond the image."""
    from PIL import Image

    left, top, right, bottom = box
    x, y = math.floor(left), math.floor(top)
    whole = Image.new("RGB", (math.ceil(right) - x, math.ceil(bottom) - y), BEYOND)
    whole.paste(image, (-x, -y))
    smooth = Image.Resampling.LANCZOS if right - left > size[0] else Image.Resampling.BICUBIC
    return whole.resize(size, smooth, (left - x, top - y, right - x, bottom - y))


def _inside(low: float, high: float, step: float, count: int) -> range:
    """The grid lines between two places."""
    return range(max(math.ceil(low / step), 0), min(math.floor(high / step), count) + 1)


def _disc(draw, centre: tuple[float, float], radius: float, colour) -> None:
    x, y = centre
    draw.ellipse(
        [x - radius, y - radius, x + radius, y + radius],
        fill=colour,
        outline=(255, 255, 255, 200) if radius > 3 * SMOOTH else None,
        width=SMOOTH,
    )


def _ring(draw, centre: tuple[float, float], radius: float) -> None:
    x, y = centre
    for colour, more, width in (((0, 0, 0, 200), 2, 7), (GREEN, 1, 5)):
        r = radius + more * SMOOTH / 2
        draw.ellipse([x - r, y - r, x + r, y + r], outline=colour, width=width * SMOOTH // 2)
