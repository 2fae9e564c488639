"""Every row of one output pixel's Jacobian, near the pixel: for operators that mix channels.

A gradient for each channel of a whole map is dear; but what the pixel depends on is a few cells.
So each operator is run again on these cells alone, for all rows at once, from the last to the
first. That a cut-out does the same as the map is assumed, then checked: added up, its rows must
be the gradients that the whole map gave.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.cascade import Cascade

MAX_ELEMENTS = 2**24  # of a map that is held at a time


class VectorJacobianProduct:
    """The rows of the pixel's Jacobian on each map, times a number each, added up."""

    def __init__(self, pixel: Tensor, maps: Mapping[str, Tensor], numbers: Float[Tensor, " n"]):
        self.numbers, self.maps = numbers, maps
        gradients = torch.autograd.grad(
            pixel, list(maps.values()), numbers,
            retain_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        self.on = {name: g[0] for name, g in zip(maps, gradients, strict=True)}

    def name_of(self, tensor: Tensor) -> str | None:
        """Of this very map."""
        return next((name for name, other in self.maps.items() if other is tensor), None)


class JacobianPatch(NamedTuple):
    """Rows of a Jacobian on the cells where they are not zero, the first of them at `corner`."""

    rows: Float[Tensor, "n c h w"]
    corner: tuple[int, int]


class ModuleCall(NamedTuple):
    """A module that was run: what it took, and what it returned."""

    module: nn.Module
    taken: Tensor
    given: Tensor


def has_fixed_weights(module: nn.Module) -> bool:
    """Whether an operator has nothing to go by but its own parameters: no guide, no predictions.

    A cascade is not asked: its stages are calls of their own, and cheaper.
    """
    if not isinstance(module, Upsampler) or isinstance(module, Cascade):
        return False
    predicts = any(name.startswith("predict_") for name in dir(module))
    return module.guide_channels is None and not predicts


def diagonal_patch(weights: Float[Tensor, "c h w"]) -> JacobianPatch:
    """Of a map on which each channel of the pixel takes from that channel alone."""
    top, left, bottom, right = nonzero_box(weights)
    inner = weights[:, top:bottom, left:right]
    return JacobianPatch(torch.diag_embed(inner.permute(1, 2, 0)).permute(2, 3, 0, 1), (top, left))


def backpropagate_patch(
    call: ModuleCall,
    patch: JacobianPatch,
    ones: Float[Tensor, "c h w"],
    others: Float[Tensor, "c h w"],
) -> JacobianPatch | None:
    """Rows on what a module took, from those on what it gave; None if a cut-out cannot tell.

    Args:
        call: of the module.
        patch: of what it gave.
        ones: the sum of all rows on what it took.
        others: another sum of them; cells where both are zero are left out.
    """
    top, left, bottom, right = nonzero_box(ones.abs() + others.abs())
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
    several = max(MAX_ELEMENTS // (channels * cut[0] * cut[1]), 1)
    found = []
    for rows in patch.rows.split(several):
        cells = rows.new_zeros(len(rows), len(ones), bottom - top, right - left)
        fine = call.module(cells.requires_grad_(), None, cut)
        sent = torch.zeros_like(fine)
        sent[:, :, y : y + h, x : x + w] = rows
        found.append(torch.autograd.grad(fine, cells, sent)[0])
    return JacobianPatch(torch.cat(found), (top, left))


def matches_vjps(
    patch: JacobianPatch, sums: Sequence[tuple[Float[Tensor, " n"], Float[Tensor, "c h w"]]]
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


def nonzero_box(weights: Float[Tensor, "c h w"]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the cells that are not zero."""
    ys, xs = weights.abs().amax(0).nonzero().T
    if len(ys) == 0:
        return 0, 0, 1, 1
    return int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1


def squared_norms(
    pixel: Float[Tensor, " n"],
    mixing: Mapping[str, Tensor],
    calls: Sequence[ModuleCall],
    sums: tuple[VectorJacobianProduct, VectorJacobianProduct],
) -> dict[str, Float[Tensor, "h w"]]:
    """For each cell of the maps that mix channels, the sum of the squares of its entries."""
    patches = _local_patches(mixing, calls, sums)
    found = {name: torch.zeros_like(sums[0].on[name][0]) for name in mixing}
    for name, (rows, (top, left)) in patches.items():
        h, w = rows.shape[2:]
        found[name][top : top + h, left : left + w] = rows.square().sum((0, 1))
    rest = {name: tensor for name, tensor in mixing.items() if name not in patches}
    for channel in pixel.split(1) if rest else ():  # the whole map, once for each channel
        for name, row in VectorJacobianProduct(channel, rest, torch.ones_like(channel)).on.items():
            found[name] += row.square().sum(0)
    return found


def _local_patches(
    mixing: Mapping[str, Tensor],
    calls: Sequence[ModuleCall],
    sums: tuple[VectorJacobianProduct, VectorJacobianProduct],
) -> dict[str, JacobianPatch]:
    """Of those maps to which cut-outs lead."""
    patches: dict[str, JacobianPatch] = {}
    for call in reversed(calls):  # from the pixel back
        taken, given = sums[0].name_of(call.taken), sums[0].name_of(call.given)
        if taken is None or given is None or taken not in mixing or taken in patches:
            continue
        if not has_fixed_weights(call.module):
            continue
        last = patches.get(given) if given in mixing else diagonal_patch(sums[0].on[given])
        patch = last and backpropagate_patch(call, last, sums[0].on[taken], sums[1].on[taken])
        if patch and matches_vjps(patch, [(s.numbers, s.on[taken]) for s in sums]):
            patches[taken] = patch
    return patches
