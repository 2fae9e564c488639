"""Draws two views of an image side by side, with lines between cells that show the same place."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.viz.palette import distinct_colours
from unstride.viz.pillow import line_width, to_pil_image, to_tensor
from unstride.viz.rows import image_row

MAX_LINES = 60  # more would hide the views
GAP = 24  # between the views, in pixels


def matched_views(
    views: Float[Tensor, "2 3 h w"], is_match: Bool[Tensor, "n m"], grid: tuple[int, int]
) -> Float[Tensor, "3 H W"]:
    """Draw both views, and a line for each match, or for some spread over them.

    Args:
        views: RGB in [0, 1].
        is_match: whether cell i of the first and cell j of the second view match.
        grid: rows and columns of cells.
    """
    from PIL import ImageDraw

    canvas = to_pil_image(image_row(*views, gap=GAP))
    draw, width = ImageDraw.Draw(canvas), line_width(canvas.height, canvas.width)
    matches = is_match.nonzero()
    step = max(-(-len(matches) // MAX_LINES), 1)
    shown = matches[::step].tolist()
    colours = (255 * distinct_colours(len(shown))).round().int().tolist()
    for (i, j), colour in zip(shown, colours, strict=True):
        start, end = (cell_centre(cell, grid, views.shape) for cell in (i, j))
        end = end[0] + views.shape[3] + GAP, end[1]
        draw.line([start, end], fill=tuple(colour), width=width)
        for x, y in (start, end):
            r = 2 * width
            draw.ellipse([x - r, y - r, x + r, y + r], fill=tuple(colour))
    return to_tensor(canvas)


def cell_centre(cell: int, grid: tuple[int, int], shape: torch.Size) -> tuple[float, float]:
    """The (x, y) of a cell's centre in its view, in pixels."""
    row, column = divmod(cell, grid[1])
    return (column + 0.5) * shape[-1] / grid[1], (row + 0.5) * shape[-2] / grid[0]
