"""Draws a footprint: the weights behind an output pixel, as dots on a photograph."""

import math
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from unstride.viz.boxes import Box
from unstride.viz.picture_size import MAX_SIDE
from unstride.viz.pillow import to_pil_image, to_tensor

SUPERSAMPLING = 2  # drawn larger by this factor, then shrunk, for round dots
WHITE_SHARE = 0.2  # the photograph is blended towards white so that dots stand out
GRID_COLOUR = (255, 255, 255, 90)
POSITIVE_COLOUR = (225, 20, 30, 235)
NEGATIVE_COLOUR = (30, 80, 235, 235)
POINT_COLOUR = (0, 215, 60)
OUTSIDE_COLOUR = (225, 225, 225)
MIN_GRID_STEP = 12  # pixels of the picture; a finer grid would hide the photograph
MIN_SHARE = 0.02  # of the largest weight: the closer view shows every cell with at least this


class _View(NamedTuple):
    """The part of the photograph that is drawn, and how large.

    Attributes:
        box: in pixels of the photograph.
        zoom: canvas pixels per pixel of the photograph.
        size: width and height of the canvas, in pixels.
    """

    box: Box
    zoom: float
    size: tuple[int, int]

    def to_canvas(self, x: float, y: float) -> tuple[float, float]:
        """Canvas position of a point of the photograph."""
        return (x - self.box[0]) * self.zoom, (y - self.box[1]) * self.zoom


def draw_footprint(
    photo: Float[Tensor, "1 3 h w"],
    weights: Float[Tensor, "gh gw"],
    cell: tuple[float, float],
    point: tuple[float, float],
    *,
    box: Box | None = None,
    height: int = 400,
) -> Float[Tensor, "1 3 H W"]:
    """Draw a faint grid, a dot in each cell and a green circle at the point on a photograph.

    A dot's area is its cell's share of the largest weight; red is positive, blue negative.

    Args:
        photo: RGB in [0, 1].
        weights: weights of the cells; the first cell begins at the photograph's corner.
        cell: height and width of a cell, in pixels of the photograph.
        point: (x, y), in pixels of the photograph.
        box: the part to show; beyond the photograph it is grey. Default: the photograph.
        height: height of the picture, in pixels. A picture that would be too wide is lower.
    """
    from PIL import Image, ImageDraw

    left, top, right, bottom = box or (0.0, 0.0, float(photo.shape[3]), float(photo.shape[2]))
    zoom = min(height / (bottom - top), MAX_SIDE / (right - left)) * SUPERSAMPLING
    size = max(round((right - left) * zoom), 1), max(round((bottom - top) * zoom), 1)
    view = _View((left, top, right, bottom), zoom, size)
    lightened = photo[0] * (1 - WHITE_SHARE) + WHITE_SHARE
    canvas = _crop_box(to_pil_image(lightened), view.box, size)
    draw = ImageDraw.Draw(canvas, "RGBA")
    if min(cell) * zoom >= MIN_GRID_STEP * SUPERSAMPLING:
        _draw_grid(draw, weights, cell, view)
    _draw_dots(draw, weights, cell, view)
    _draw_ring(draw, view.to_canvas(*point), height * SUPERSAMPLING / 45)
    columns, rows = (max(side // SUPERSAMPLING, 1) for side in size)
    picture = canvas.resize((columns, rows), Image.Resampling.LANCZOS)
    return to_tensor(picture)[None]


def footprint_box(
    weights: Float[Tensor, "gh gw"], cell: tuple[float, float], point: tuple[float, float]
) -> Box:
    """The square around the point and every cell with weight, with a margin of a cell.

    It is moved inside the grid where it would reach beyond.

    Args:
        weights, cell, point: as for `draw_footprint`.
    """
    cells = (weights.abs() >= max(MIN_SHARE * float(weights.abs().max()), 1e-12)).nonzero()
    ranges = []
    for axis, place in enumerate((point[1], point[0])):
        indices, step = cells[:, axis], cell[axis]
        ends = [float(indices.min()) * step, float(indices.max() + 1) * step] if len(cells) else []
        ranges.append((min(place, *ends), max(place, *ends)) if ends else (place, place))
    side = max(*(high - low + cell[i] for i, (low, high) in enumerate(ranges)), 3 * max(cell))
    corner = []  # top and left
    for axis, (low, high) in enumerate(ranges):
        room = weights.shape[axis] * cell[axis] - side
        start = (low + high - side) / 2
        corner.append(min(max(start, 0.0), room) if room > 0 else room / 2)
    return corner[1], corner[0], corner[1] + side, corner[0] + side


def _crop_box(image: Any, box: Box, size: tuple[int, int]) -> Any:
    """The part of a Pillow image inside a box, resized; grey beyond the image."""
    from PIL import Image

    left, top, right, bottom = box
    canvas = Image.new("RGB", size, OUTSIDE_COLOUR)
    inside = max(left, 0.0), max(top, 0.0), min(right, image.width), min(bottom, image.height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return canvas
    zooms = size[0] / (right - left), size[1] / (bottom - top)
    x, y, end_x, end_y = (
        round((edge - start) * zoom)
        for edge, start, zoom in zip(inside, (left, top) * 2, zooms * 2, strict=True)
    )
    resampling = Image.Resampling.LANCZOS if right - left > size[0] else Image.Resampling.BICUBIC
    piece = image.resize((max(end_x - x, 1), max(end_y - y, 1)), resampling, inside)
    canvas.paste(piece, (x, y))
    return canvas


def _draw_grid(draw: Any, weights: Tensor, cell: tuple[float, float], view: _View) -> None:
    """Draw the borders of the cells that lie in the view."""
    (rows, columns), (ch, cw) = weights.shape, cell
    left, top, right, bottom = view.box
    grid_right, grid_bottom = view.to_canvas(columns * cw, rows * ch)
    for i in _grid_lines(left, right, cw, columns):
        x, _ = view.to_canvas(i * cw, 0.0)
        draw.line([x, 0, x, min(grid_bottom, view.size[1])], GRID_COLOUR, SUPERSAMPLING)
    for i in _grid_lines(top, bottom, ch, rows):
        _, y = view.to_canvas(0.0, i * ch)
        draw.line([0, y, min(grid_right, view.size[0]), y], GRID_COLOUR, SUPERSAMPLING)


def _grid_lines(low: float, high: float, step: float, count: int) -> range:
    """Indices of the grid lines between two positions."""
    return range(max(math.ceil(low / step), 0), min(math.floor(high / step), count) + 1)


def _draw_dots(draw: Any, weights: Tensor, cell: tuple[float, float], view: _View) -> None:
    """Draw a dot in each cell whose weight is large enough to be seen."""
    largest = float(weights.abs().max())
    full = min(max(0.36 * min(cell) * view.zoom, 2.5 * SUPERSAMPLING), view.size[1] / 24)
    for y, x in (weights.abs() > largest * 1e-4).nonzero().tolist():
        share = float(weights[y, x]) / largest
        centre = view.to_canvas((x + 0.5) * cell[1], (y + 0.5) * cell[0])
        radius = full * math.sqrt(abs(share))
        if radius >= SUPERSAMPLING / 2:
            _draw_disc(draw, centre, radius, POSITIVE_COLOUR if share > 0 else NEGATIVE_COLOUR)


def _draw_disc(
    draw: Any, centre: tuple[float, float], radius: float, colour: tuple[int, ...]
) -> None:
    x, y = centre
    draw.ellipse(
        [x - radius, y - radius, x + radius, y + radius],
        fill=colour,
        outline=(255, 255, 255, 200) if radius > 3 * SUPERSAMPLING else None,
        width=SUPERSAMPLING,
    )


def _draw_ring(draw: Any, centre: tuple[float, float], radius: float) -> None:
    """Draw a green ring with a dark rim."""
    x, y = centre
    for colour, more, width in (((0, 0, 0, 200), 2, 7), (POINT_COLOUR, 1, 5)):
        r = radius + more * SUPERSAMPLING / 2
        draw.ellipse([x - r, y - r, x + r, y + r], outline=colour, width=width * SUPERSAMPLING // 2)
