"""The public functions `reassemble`, `correlate` and `scatter`, on every device, differentiable.

The three are closed under differentiation: the gradients of each are the other two, so derivatives
of any order exist. The device selects the implementation (registration.py). While a model is
exported, they are written in standard operators (exporting.py).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.ops.checks import check_correlate, check_reassemble, check_scatter
from unstride.ops.exporting import standard_operators_only
from unstride.ops.portable import correlate_portable, reassemble_portable, scatter_portable


def reassemble(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "b g k k H W"]
) -> Float[Tensor, "b c H W"]:
    """Weighted sum of the features in each output pixel's window; linear in both arguments.

    out[b, c, y, x] = sum_pq weights[b, g(c), p, q, y, x] features[b, c, row(y)+p, col(x)+q],
    with g(c) = c // (c/g) and the windows of `unstride.ops.window`. Kernel size, groups, ratio and
    direction follow from the two shapes.

    Args:
        features: summed features; zero beyond their border.
        weights: weight of each tap (row, column) for each output pixel; any values.

    Returns:
        The sums, in the memory layout of `features`.

    Raises:
        ValueError: if the shapes, types or devices do not fit together.
    """
    features, weights = _cast_for_autocast(features, weights)
    check_reassemble(features, weights)
    if standard_operators_only():
        return reassemble_portable(features, weights)
    return torch.ops.unstride.reassemble(features, weights)


def correlate(
    queries: Float[Tensor, "b c H W"],
    keys: Float[Tensor, "b c h w"],
    kernel_size: int,
    groups: int = 1,
) -> Float[Tensor, "b g k k H W"]:
    """Dot product of each output pixel's query with each key in its window.

    scores[b, g, p, q, y, x] = sum over the channels of group g of
    queries[b, c, y, x] keys[b, c, row(y)+p, col(x)+q]. It is the gradient of `reassemble` in its
    weights.

    Args:
        queries: on the output grid.
        keys: on the input grid; zero beyond its border, and so are the scores there.
        kernel_size: side k of the window, in pixels of the input grid.
        groups: number g of sets of scores, each from c/g consecutive channels. Default: 1.

    Raises:
        ValueError: if the shapes, types or devices do not fit together.
    """
    queries, keys = _cast_for_autocast(queries, keys)
    check_correlate(queries, keys, kernel_size, groups)
    if standard_operators_only():
        return correlate_portable(queries, keys, kernel_size, groups)
    return torch.ops.unstride.correlate(queries, keys, kernel_size, groups)


def scatter(
    values: Float[Tensor, "b c H W"],
    weights: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
) -> Float[Tensor, "b c h w"]:
    """Add each output pixel's value, weighted, to every input pixel in its window.

    This is the adjoint of `reassemble` and its gradient in its features:
    <scatter(v, w, size), f> = <v, reassemble(f, w)>. It is deterministic.

    Args:
        values: on the output grid.
        weights: as for `reassemble`.
        size: rows and columns (h, w) of the input grid.

    Returns:
        The sums, in the memory layout of `values`.

    Raises:
        ValueError: if the shapes, types or devices do not fit together.
    """
    values, weights = _cast_for_autocast(values, weights)
    check_scatter(values, weights, size)
    if standard_operators_only():
        return scatter_portable(values, weights, size)
    return torch.ops.unstride.scatter(values, weights, *size)


def decompositions() -> dict:
    """The operations in standard PyTorch operators, for exporters that know no others.

    Pass them to `torch.export.ExportedProgram.run_decompositions`.
    """
    ops = torch.ops.unstride
    return {
        ops.reassemble.default: reassemble_portable,
        ops.correlate.default: correlate_portable,
        ops.scatter.default: lambda v, w, height, width: scatter_portable(v, w, (height, width)),
    }


def _cast_for_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Cast to autocast's type, if it is enabled; float64 stays."""
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(t if t.dtype == torch.float64 else t.to(dtype) for t in tensors)
