"""Every row of one output pixel's Jacobian, near the pixel: for operators that mix channels.

A gradient for each channel of a whole map is dear; but what the pixel depends on is a few cells.
So each operator is run again on these cells alone, for all rows at once, from the last to the
first. That a cut-out does the same as the map is assumed, then checked: added up, its rows must
be the gradients that the whole map gave.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Cascade, Upsampler

ELEMENTS = 2**24  # of a map that is held at a time


class Patch(NamedTuple):
    """Rows of a Jacobian on the cells where they are not zero, the first of them at `corner`."""

    rows: Float[Tensor, "n c h w"]
    corner: tuple[int, int]


class Call(NamedTuple):
    """A module that was run: what it took, and what it returned."""

    module: nn.Module
    taken: Tensor
    given: Tensor


def is_local(module: nn.Module) -> bool:
    """Whether an operator has nothing to go by but its own parameters: no guide, no predictions.

    A cascade is not asked: its stages are calls of their own, and cheaper.
    """
    if not isinstance(module, Upsampler) or isinstance(module, Cascade):
        return False
    predicts = any(name.startswith("predict_") for name in dir(module))
    return module.guide_channels is None and not predicts


def on_diagonal(weights: Float[Tensor, "c h w"]) -> Patch:
    """Of a map on which each channel of the pixel takes from that channel alone."""
    top, left, bottom, right = support(weights)
    inner = weights[:, top:bottom, left:right]
    return Patch(torch.diag_embed(inner.permute(1, 2, 0)).permute(2, 3, 0, 1), (top, left))


def through(
    call: Call, patch: Patch, ones: Float[Tensor, "c h w"], others: Float[Tensor, "c h w"]
) -> Patch | None:
    """Rows on what a module took, from those on what it gave; None if a cut-out cannot tell.

    Args:
        call: of the module.
        patch: of what it gave.
        ones: the sum of all rows on what it took.
        others: another sum of them; cells where both are zero are left out.
    """
    top, left, bottom, right = support(ones.abs() + others.abs())
    grid, size = call.taken.shape[2:], call.given.shape[2:]
    if any(m % n for m, n in zip(size, grid, strict=True)):
        return None
    down, across = size[0] // grid[0], size[1] // grid[1]
    cut = (bottom - top) * down, (right - left) * across
    y, x = patch.corner[0] - top * down, patch.corner[1] - left * across
    h, w = patch.rows.shape[2:]
    if min(y, x) < 0 or y + h > cut[0] or x + w > cut[1]:
        return None
    channels = call.given.shape[1]
    several = max(ELEMENTS // (channels * cut[0] * cut[1]), 1)
    found = []
    for rows in patch.rows.split(several):
        cells = rows.new_zeros(len(rows), len(ones), bottom - top, right - left)
        fine = call.module(cells.requires_grad_(), None, cut)
        sent = torch.zeros_like(fine)
        sent[:, :, y : y + h, x : x + w] = rows
        found.append(torch.autograd.grad(fine, cells, sent)[0])
    return Patch(torch.cat(found), (top, left))


def adds_up(
    patch: Patch, sums: Sequence[tuple[Float[Tensor, " n"], Float[Tensor, "c h w"]]]
) -> bool:
    """Whether rows, times some numbers, add up to what is known of the whole map."""
    (n, _, h, w), (top, left) = patch.rows.shape, patch.corner
    for numbers, whole in sums:
        added = torch.tensordot(numbers, patch.rows, 1)
        known = whole[:, top : top + h, left : left + w]
        # A sum of n numbers, each of them rounded; small ones among large ones are lost.
        error = 100 * torch.finfo(known.dtype).eps * n**0.5 * patch.rows.abs().max()
        if (added - known).abs().max() > error:
            return False
    return True


def support(weights: Float[Tensor, "c h w"]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the cells that are not zero."""
    ys, xs = weights.abs().amax(0).nonzero().T
    if len(ys) == 0:
        return 0, 0, 1, 1
    return int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1
