"""Computes every row of one output pixel's Jacobian, for operators that mix channels.

A gradient over the whole map for each channel is expensive, but the pixel depends on few cells.
So each operator is run again on these cells alone, for all rows at once, from the last operator
to the first. It is assumed that an operator does the same on a crop as on the whole map, and this
is checked: added up, the rows must equal the gradients of the whole map.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.cascade import Cascade

MAX_ELEMENTS = 2**24  # of a map that is in memory at a time


class VectorJacobianProduct:
    """The product of a cotangent with the Jacobian of a pixel, on each map.

    Args:
        pixel: its channels.
        maps: by name.
        cotangent: a factor for each channel of the pixel.
    """

    def __init__(self, pixel: Tensor, maps: Mapping[str, Tensor], cotangent: Float[Tensor, " n"]):
        self.cotangent, self.maps = cotangent, maps
        gradients = torch.autograd.grad(
            pixel, list(maps.values()), cotangent,
            retain_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        self.gradients = {name: g[0] for name, g in zip(maps, gradients, strict=True)}

    def name_of(self, tensor: Tensor) -> str | None:
        """The name of a map, or None if the tensor is not a recorded map."""
        return next((name for name, other in self.maps.items() if other is tensor), None)


class JacobianPatch(NamedTuple):
    """Rows of a Jacobian, cut to the cells where they are not zero; `corner` is the first cell."""

    rows: Float[Tensor, "n c h w"]
    corner: tuple[int, int]


class ModuleCall(NamedTuple):
    """One call of a module, with its input and its output."""

    module: nn.Module
    input: Tensor
    output: Tensor


def has_fixed_weights(module: nn.Module) -> bool:
    """Whether an operator's weights depend only on its parameters: no guide, no predictions.

    False for a cascade: its stages are calls of their own, and cheaper.
    """
    if not isinstance(module, Upsampler) or isinstance(module, Cascade):
        return False
    predicts = any(name.startswith("predict_") for name in dir(module))
    return module.guide_channels is None and not predicts


def diagonal_patch(weights: Float[Tensor, "c h w"]) -> JacobianPatch:
    """The rows on a map where each channel of the pixel depends on that channel alone."""
    top, left, bottom, right = nonzero_box(weights)
    inner = weights[:, top:bottom, left:right]
    return JacobianPatch(torch.diag_embed(inner.permute(1, 2, 0)).permute(2, 3, 0, 1), (top, left))


def backpropagate_patch(
    call: ModuleCall,
    patch: JacobianPatch,
    ones_vjp: Float[Tensor, "c h w"],
    random_vjp: Float[Tensor, "c h w"],
) -> JacobianPatch | None:
    """Rows on a module's input, from rows on its output; None if a crop cannot give them.

    Args:
        call: of the module.
        patch: rows on its output.
        ones_vjp: the sum of all rows on its input.
        random_vjp: another sum of these rows. Cells where both are zero are left out.
    """
    top, left, bottom, right = nonzero_box(ones_vjp.abs() + random_vjp.abs())
    grid, size = call.input.shape[2:], call.output.shape[2:]
    if any(m % n for m, n in zip(size, grid, strict=True)):
        return None
    y_scale, x_scale = size[0] // grid[0], size[1] // grid[1]
    crop_size = (bottom - top) * y_scale, (right - left) * x_scale
    y, x = patch.corner[0] - top * y_scale, patch.corner[1] - left * x_scale
    h, w = patch.rows.shape[2:]
    if min(y, x) < 0 or y + h > crop_size[0] or x + w > crop_size[1]:
        return None
    channels = call.output.shape[1]
    chunk_size = max(MAX_ELEMENTS // (channels * crop_size[0] * crop_size[1]), 1)
    chunks = []
    for rows in patch.rows.split(chunk_size):
        cells = rows.new_zeros(len(rows), len(ones_vjp), bottom - top, right - left)
        fine = call.module(cells.requires_grad_(), None, crop_size)
        cotangent = torch.zeros_like(fine)
        cotangent[:, :, y : y + h, x : x + w] = rows
        chunks.append(torch.autograd.grad(fine, cells, cotangent)[0])
    return JacobianPatch(torch.cat(chunks), (top, left))


def matches_vjps(
    patch: JacobianPatch, vjps: Sequence[tuple[Float[Tensor, " n"], Float[Tensor, "c h w"]]]
) -> bool:
    """Whether rows, times a cotangent, add up to the gradient of the whole map.

    Args:
        patch: the rows.
        vjps: cotangents, and the gradients of the whole map for them.
    """
    (n, _, h, w), (top, left) = patch.rows.shape, patch.corner
    for cotangent, gradient in vjps:
        summed = torch.tensordot(cotangent, patch.rows, 1)
        expected = gradient[:, top : top + h, left : left + w]
        # A sum of n rounded numbers; small numbers are lost among large ones.
        error = 100 * torch.finfo(expected.dtype).eps * n**0.5 * patch.rows.abs().max()
        if (summed - expected).abs().max() > error:
            return False
    return True


def nonzero_box(weights: Float[Tensor, "c h w"]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the cells that are not zero; one cell if all are."""
    ys, xs = weights.abs().amax(0).nonzero().T
    if len(ys) == 0:
        return 0, 0, 1, 1
    return int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1


def squared_norms(
    pixel: Float[Tensor, " n"],
    mixing_maps: Mapping[str, Tensor],
    calls: Sequence[ModuleCall],
    vjps: tuple[VectorJacobianProduct, VectorJacobianProduct],
) -> dict[str, Float[Tensor, "h w"]]:
    """The squared Frobenius norm of the Jacobian at each cell of the maps that mix channels.

    Args:
        pixel: its channels.
        mixing_maps: maps on which its channels mix, by name.
        calls: of the modules between them, in order.
        vjps: for a cotangent of ones and for a random one, on all maps.
    """
    patches = _local_patches(mixing_maps, calls, vjps)
    squares = {name: torch.zeros_like(vjps[0].gradients[name][0]) for name in mixing_maps}
    for name, (rows, (top, left)) in patches.items():
        h, w = rows.shape[2:]
        squares[name][top : top + h, left : left + w] = rows.square().sum((0, 1))
    rest = {name: tensor for name, tensor in mixing_maps.items() if name not in patches}
    for channel in pixel.split(1) if rest else ():  # over the whole map, once for each channel
        vjp = VectorJacobianProduct(channel, rest, torch.ones_like(channel))
        for name, row in vjp.gradients.items():
            squares[name] += row.square().sum(0)
    return squares


def _local_patches(
    mixing_maps: Mapping[str, Tensor],
    calls: Sequence[ModuleCall],
    vjps: tuple[VectorJacobianProduct, VectorJacobianProduct],
) -> dict[str, JacobianPatch]:
    """Patches of those maps that crops of the operators reach, going back from the pixel."""
    patches: dict[str, JacobianPatch] = {}
    ones_vjp, random_vjp = (vjp.gradients for vjp in vjps)
    for call in reversed(calls):
        coarse, fine = vjps[0].name_of(call.input), vjps[0].name_of(call.output)
        if coarse is None or fine is None or coarse not in mixing_maps or coarse in patches:
            continue
        if not has_fixed_weights(call.module):
            continue
        last = patches.get(fine) if fine in mixing_maps else diagonal_patch(ones_vjp[fine])
        patch = last and backpropagate_patch(call, last, ones_vjp[coarse], random_vjp[coarse])
        if patch and matches_vjps(patch, [(v.cotangent, v.gradients[coarse]) for v in vjps]):
            patches[coarse] = patch
    return patches
