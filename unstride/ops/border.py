"""Border modes other than zero padding, folded into the weights so that no kernel needs a mode.

A window may extend beyond the border of the input grid. A tap beyond the border stands for the
tap that reflecting or replicating gives, which always lies inside the same window. `fold_border`
adds the weight of the former to that of the latter. `spread_border` is for scores that a softmax
turns into weights: it gives each tap beyond the border the score of the tap it stands for. The
two functions are adjoint.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.ops.checks import check_size
from unstride.ops.window import window_start


def fold_border(
    weights: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
    mode: Literal["reflect", "replicate"] = "reflect",
) -> Float[Tensor, "b g k k H W"]:
    """Move the weight of each tap beyond the border to the tap it stands for. Sums are kept.

    Args:
        weights: weights of the taps of each output pixel.
        size: rows and columns (h, w) of the input grid.
        mode: "reflect" about the centre of the border pixel, or "replicate" that pixel.

    Raises:
        ValueError: if the mode is unknown, a reflected tap would lie outside an even window, or the
            size is not a pair.
    """

    check_size(size, minimum=0)

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
        scores: scores of the taps of each output pixel, as `correlate` returns them.
        size: rows and columns (h, w) of the input grid.
        mode: as in `fold_border`; or "exclude", which sets the score to -inf, so that a softmax
            gives all weight to taps on the map.

    Raises:
        ValueError: if the mode is unknown, a reflected tap would lie outside an even window, or the
            size is not a pair.
    """
    check_size(size, minimum=0)
    if mode == "exclude":
        for axis in (0, 1):
            scores = scores.masked_fill(_is_inside(scores, size, axis).logical_not(), -torch.inf)
        return scores
    return _apply_at_borders(
        scores, size, mode, lambda part, taps, dim: part.gather(dim, taps.expand_as(part))
    )


def _is_inside(scores: Tensor, size: tuple[int, int], axis: int) -> Tensor:
    """Whether each tap lies on the map along one axis, broadcastable to the scores."""
    k, n_out, n_in = scores.shape[2], scores.shape[4 + axis], size[axis]
    taps = _tap_indices(n_in, n_out, k, scores.device)
    return _broadcastable((taps >= 0).logical_and(taps < n_in), axis)


def _apply_at_borders(
    tensor: Tensor,
    size: tuple[int, int],
    mode: str,
    move_taps: Callable[[Tensor, Tensor, int], Tensor],
) -> Tensor:
    """Apply `move_taps` along each axis, only to outputs whose windows extend beyond the map."""
    if mode not in ("reflect", "replicate"):
        raise ValueError(f"mode must be 'reflect' or 'replicate', got {mode!r}")
    k = tensor.shape[2]
    for axis, n_in in enumerate(size):
        dim, n_out = 4 + axis, tensor.shape[4 + axis]
        if mode == "reflect" and k % 2 == 0 and n_in < 2 * n_out:
            raise ValueError(
                f"an even window ({k} taps) cannot be reflected from {n_in} to {n_out} pixels, "
                "because the mirrored window lies outside the map; use mode='replicate'"
            )
        taps = _tap_indices(n_in, n_out, k, tensor.device)
        stand_ins = _broadcastable(_fold_indices(taps, n_in, mode) - taps[:, :1], axis)
        edge = -(-k * n_out // (2 * max(n_in, 1)))  # windows further inside stay on the map
        if 2 * edge >= n_out:
            tensor = move_taps(tensor, stand_ins, 2 + axis)
            continue
        parts = tensor.split([edge, n_out - 2 * edge, edge], dim)
        ends = stand_ins.split([edge, n_out - 2 * edge, edge], dim)
        top, bottom = (move_taps(parts[i], ends[i], 2 + axis) for i in (0, 2))
        tensor = torch.cat([top, parts[1], bottom], dim)
    return tensor


def _tap_indices(n_in: int, n_out: int, k: int, device: torch.device) -> Tensor:
    """Input indices of each output's taps, as "n k"; those beyond the map included."""
    return window_start(n_in, n_out, k, device)[:, None] + torch.arange(k, device=device)


def _broadcastable(table: Tensor, axis: int) -> Tensor:
    """Reshape a table "n k" of one axis so that it broadcasts with "b g k k H W"."""
    table = table.T
    return table[None, None, :, None, :, None] if axis == 0 else table[None, None, None, :, None, :]


def _fold_indices(indices: Tensor, n: int, mode: str) -> Tensor:
    """The indices on the map that these indices, on the map or beyond it, stand for."""
    if mode == "replicate":
        return indices.clamp(0, n - 1)
    period = max(2 * (n - 1), 1)
    folded = indices % period
    return torch.minimum(folded, period - folded) if n > 1 else torch.zeros_like(indices)
