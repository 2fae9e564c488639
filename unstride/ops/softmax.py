"""TODO."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unstride.ops.window import window_start


def softmax_over_taps(logits: Float[Tensor, "b g k k H W"]) -> Float[Tensor, "b g k k H W"]:
    """Positive weights that sum to one over each window."""
    return logits.flatten(2, 3).softmax(2).unflatten(2, logits.shape[2:4])


def softmax_within_bounds(
    scores: Float[Tensor, "b g k k H W"],
    grid: tuple[int, int],
    rows: tuple[Int[Tensor, " H"], Int[Tensor, " H"]],
    columns: tuple[Int[Tensor, " W"], Int[Tensor, " W"]],
) -> Float[Tensor, "b g k k H W"]:
    """Weights that sum to one over the cells within bounds, and are zero elsewhere.

    Args:
        scores: as `correlate` returns them; overwritten, since they can be large.
        grid: rows and columns (h, w) of the cells.
        rows: the first row of cells for each output row, and the one after the last.
        columns: likewise; no bounds lie beyond the window, or beyond the map.
    """
    k = scores.shape[2]
    for axis, (first, end) in enumerate((rows, columns)):
        start = window_start(grid[axis], scores.shape[4 + axis], k, scores.device)
        taps = start + torch.arange(k, device=scores.device)[:, None]
        outside = (taps < first) | (taps >= end)
        outside = outside[:, None, :, None] if axis == 0 else outside[:, None, :]
        scores = scores.masked_fill_(outside, -torch.inf)
    return softmax_over_taps(scores)
