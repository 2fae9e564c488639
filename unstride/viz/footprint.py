"""Weights as dots on a photograph: where an output pixel takes its value from, to look at."""

import math

from jaxtyping import Float
from torch import Tensor

from unstride.viz.pillow import to_pil_image, to_tensor

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the photograph

SUPERSAMPLING = 2  # drawn larger by this, then shrunk, for round dots
WHITE_SHARE = 0.2  # towards white, so that dots stand out
GRID_COLOUR, POSITIVE_COLOUR, NEGATIVE_COLOUR, POINT_COLOUR = (
    (255, 255, 255, 90),
    (225, 20, 30, 235),
    (30, 80, 235, 235),
    (0, 215, 60),
)
OUTSIDE_COLOUR = (225, 225, 225)
MIN_SHARE = 0.02  # of the largest weight: the closer view shows every cell that has as much


def draw_footprint(
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
    zoom = height * SUPERSAMPLING / (bottom - top)  # picture elements per pixel of the photograph
    size = max(round((right - left) * zoom), 1), height * SUPERSAMPLING
    shown = photo[0] * (1 - WHITE_SHARE) + WHITE_SHARE
    canvas = _crop_box(to_pil_image(shown), (left, top, right, bottom), size)
    draw = ImageDraw.Draw(canvas, "RGBA")

    (gh, gw), (ch, cw) = weights.shape, cell
    if min(cell) * zoom >= 12 * SUPERSAMPLING:  # a finer grid would hide the photograph
        for x in _grid_lines(left, right, cw, gw):
            at = (x * cw - left) * zoom
            draw.line([at, 0, at, min((gh * ch - top) * zoom, size[1])], GRID_COLOUR, SUPERSAMPLING)
        for y in _grid_lines(top, bottom, ch, gh):
            at = (y * ch - top) * zoom
            draw.line(
                [0, at, min((gw * cw - left) * zoom, size[0]), at], GRID_COLOUR, SUPERSAMPLING
            )

    largest = float(weights.abs().max())
    full = min(max(0.36 * min(cell) * zoom, 2.5 * SUPERSAMPLING), height * SUPERSAMPLING / 24)
    for y, x in (weights.abs() > largest * 1e-4).nonzero().tolist():
        share = float(weights[y, x]) / largest
        centre = ((x + 0.5) * cw - left) * zoom, ((y + 0.5) * ch - top) * zoom
        radius = full * math.sqrt(abs(share))
        if radius >= SUPERSAMPLING / 2:
            _draw_disc(draw, centre, radius, POSITIVE_COLOUR if share > 0 else NEGATIVE_COLOUR)
    _draw_ring(
        draw, ((point[0] - left) * zoom, (point[1] - top) * zoom), height * SUPERSAMPLING / 45
    )
    picture = canvas.resize((max(size[0] // SUPERSAMPLING, 1), height), Image.Resampling.LANCZOS)
    return to_tensor(picture)[None]


def footprint_box(
    weights: Float[Tensor, "gh gw"], cell: tuple[float, float], point: tuple[float, float]
) -> Box:
    """The square around the point and every cell with weight, with a margin of a cell.

    It is moved onto the grid where it would look beyond.
    """
    cells = (weights.abs() >= max(MIN_SHARE * float(weights.abs().max()), 1e-12)).nonzero()
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


def _crop_box(image, box: Box, size: tuple[int, int]):
    """The part of an image in a box, at a size; grey beyond the image."""
    from PIL import Image

    left, top, right, bottom = box
    x, y = math.floor(left), math.floor(top)
    whole = Image.new("RGB", (math.ceil(right) - x, math.ceil(bottom) - y), OUTSIDE_COLOUR)
    whole.paste(image, (-x, -y))
    smooth = Image.Resampling.LANCZOS if right - left > size[0] else Image.Resampling.BICUBIC
    return whole.resize(size, smooth, (left - x, top - y, right - x, bottom - y))


def _grid_lines(low: float, high: float, step: float, count: int) -> range:
    """The grid lines between two places."""
    return range(max(math.ceil(low / step), 0), min(math.floor(high / step), count) + 1)


def _draw_disc(draw, centre: tuple[float, float], radius: float, colour) -> None:
    x, y = centre
    draw.ellipse(
        [x - radius, y - radius, x + radius, y + radius],
        fill=colour,
        outline=(255, 255, 255, 200) if radius > 3 * SUPERSAMPLING else None,
        width=SUPERSAMPLING,
    )


def _draw_ring(draw, centre: tuple[float, float], radius: float) -> None:
    x, y = centre
    for colour, more, width in (((0, 0, 0, 200), 2, 7), (POINT_COLOUR, 1, 5)):
        r = radius + more * SUPERSAMPLING / 2
        draw.ellipse([x - r, y - r, x + r, y + r], outline=colour, width=width * SUPERSAMPLING // 2)
