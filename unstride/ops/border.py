"""Borders other than zero, moved into the weights so that no kernel needs a mode.

A window may hang over the border of the input grid. A reflected or replicated tap always
lies inside the same window, so its weight can be added to that tap's: `fold_border`. Scores
that become weights by a softmax are treated the other way round: `spread_border` gives each
tap beyond the border the score of the tap it stands for. The two are adjoint.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.ops.window import window_start


def fold_border(
    weights: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
    mode: Literal["reflect", "replicate"] = "reflect",
) -> Float[Tensor, "b g k k H W"]:
    """Move the weight of each tap beyond the border to the tap it stands for; sums are kept.

    Args:
        weights: of the taps of each output pixel.
        size: rows and columns (h, w) of the input grid.
        mode: "reflect" about the centre of the last pixel, or "replicate" that pixel.

    Raises:
        ValueError: if the mode is unknown, or reflecting would leave an even window.
    """

    def fold(part: Tensor, taps: Tensor, dim: int) -> Tensor:
        return torch.zeros_like(part).scatter_add(dim, taps.expand_as(part), part)

    return _apply_at_borders(weights, size, mode, fold)


def spread_border(
    scores: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
    mode: Literal["reflect", "replicate", "exclude"] = "reflect",
) -> Float[Tensor, "b g k k H W"]:
    """Give each tap beyond the border the score of the tap it stands for.

    Args:
        scores: of the taps of each output pixel, as `correlate` returns them.
        size: rows and columns (h, w) of the input grid.
        mode: as in `fold_border`; or "exclude": the score is -inf, so that a softmax gives
            all weight to taps on the map.

    Raises:
        ValueError: if the mode is unknown, or reflecting would leave an even window.
    """
    if mode == "exclude":
        for axis in (0, 1):
            inside = _is_inside(scores, size, axis)
            scores = scores.masked_fill(~inside, -torch.inf)
        return scores
    return _apply_at_borders(
        scores, size, mode, lambda part, taps, dim: part.gather(dim, taps.expand_as(part))
    )


def _is_inside(scores: Tensor, size: tuple[int, int], axis: int) -> Tensor:
    k, n_out, n_in = scores.shape[2], scores.shape[4 + axis], size[axis]
    taps = _tap_indices(n_in, n_out, k, scores.device)
    return _broadcastable((taps >= 0) & (taps < n_in), axis)


def _apply_at_borders(
    tensor: Tensor,
    size: tuple[int, int],
    mode: str,
    change: Callable[[Tensor, Tensor, int], Tensor],
) -> Tensor:
    """Apply `change` along each axis, to those outputs only whose windows leave the map."""
    if mode not in ("reflect", "replicate"):
        raise ValueError(f"mode must be 'reflect' or 'replicate', got {mode!r}")
    k = tensor.shape[2]
    for axis, n_in in enumerate(size):
        dim, n_out = 4 + axis, tensor.shape[4 + axis]
        if mode == "reflect" and k % 2 == 0 and n_in < 2 * n_out:
            raise ValueError(
                f"an even window ({k} taps) cannot be reflected from {n_in} to {n_out} pixels, "
                "since its mirror image lies outside it; use mode='replicate'"
            )
        taps = _tap_indices(n_in, n_out, k, tensor.device)
        stand_ins = _broadcastable(_fold_indices(taps, n_in, mode) - taps[:, :1], axis)
        edge = -(-k * n_out // (2 * max(n_in, 1)))  # no window beyond it leaves the map
        if 2 * edge >= n_out:
            tensor = change(tensor, stand_ins, 2 + axis)
            continue
        parts = tensor.split([edge, n_out - 2 * edge, edge], dim)
        ends = stand_ins.split([edge, n_out - 2 * edge, edge], dim)
        top, bottom = (change(parts[i], ends[i], 2 + axis) for i in (0, 2))
        tensor = torch.cat([top, parts[1], bottom], dim)
    return tensor


def _tap_indices(n_in: int, n_out: int, k: int, device: torch.device) -> Tensor:
    """Input index of each output's taps, "n k", beyond the map too."""
    return window_start(n_in, n_out, k, device)[:, None] + torch.arange(k, device=device)


def _broadcastable(table: Tensor, axis: int) -> Tensor:
    """A table "n k" of one axis, shaped to meet "b g k k H W"."""
    table = table.T
    return table[None, None, :, None, :, None] if axis == 0 else table[None, None, None, :, None, :]


def _fold_indices(indices: Tensor, n: int, mode: str) -> Tensor:
    if mode == "replicate":
        return indices.clamp(0, n - 1)
    period = max(2 * (n - 1), 1)
    folded = indices % period
    return torch.minimum(folded, period - folded) if n > 1 else torch.zeros_like(indices)
