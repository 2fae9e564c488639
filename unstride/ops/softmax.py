"""Turns scores of taps into weights that are positive and sum to one."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unstride.ops.border import spread_border
from unstride.ops.window import window_start


def softmax_over_taps(logits: Float[Tensor, "b g k k H W"]) -> Float[Tensor, "b g k k H W"]:
    """Softmax over each window: positive weights that sum to one."""
    return logits.flatten(2, 3).softmax(2).unflatten(2, logits.shape[2:4])


def softmax_over_valid_taps(
    scores: Float[Tensor, "b g k k H W"], size: tuple[int, int]
) -> Float[Tensor, "b g k k H W"]:
    """Weights that sum to one over the taps on the map, and are zero for those beyond its border.

    Args:
        scores: of the taps of each output pixel, as `correlate` returns them.
        size: rows and columns (h, w) of the input grid.
    """
    return softmax_over_taps(spread_border(scores, size, "exclude"))


def softmax_within_bounds(
    scores: Float[Tensor, "b g k k H W"],
    grid: tuple[int, int],
    rows: tuple[Int[Tensor, " H"], Int[Tensor, " H"]],
    columns: tuple[Int[Tensor, " W"], Int[Tensor, " W"]],
) -> Float[Tensor, "b g k k H W"]:
    """Softmax over the cells within bounds: weights that sum to one, and are zero elsewhere.

    Args:
        scores: as `correlate` returns them. Overwritten, because they can be large.
        grid: rows and columns (h, w) of the cells.
        rows: for each output row, the first row of cells and the row after the last.
        columns: the same for columns. Bounds must lie in the window and on the map.
    """
    k = scores.shape[2]
    for axis, (first, stop) in enumerate((rows, columns)):
        start = window_start(grid[axis], scores.shape[4 + axis], k, scores.device)
        taps = start + torch.arange(k, device=scores.device)[:, None]
        outside = (taps < first).logical_or(taps >= stop)
        outside = outside[:, None, :, None] if axis == 0 else outside[:, None, :]
        scores = scores.masked_fill_(outside, -torch.inf)
    return softmax_over_taps(scores)
