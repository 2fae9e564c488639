"""The operations as ONNX nodes, for `export_onnx`.

They take the place of decompositions: torch needs minutes to reason about the sizes of a thousand
decomposed nodes. Windows follow the rule of `unstride/ops/window.py`, at any size of the input.
Numerators are never negative, because integer division truncates here. Groups lie in the batch, so
that tensors have five axes at most, except for weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import FLOAT, INT64, opset18
from onnxscript.optimizer import fold_constants, remove_unused_nodes

op: Any = opset18  # type checkers reject its annotations


def translations(any_size: bool) -> dict[Callable, Callable]:
    """What `torch.onnx.export` calls for each operation; `scatter` is decomposed instead.

    Args:
        any_size: whether sizes are dynamic. torch's translation of adaptive pooling is right for
            the example's sizes alone.
    """
    own: dict[Callable, Callable] = {
        torch.ops.unstride.reassemble.default: _reassemble,
        torch.ops.unstride.correlate.default: _correlate,
    }
    if any_size:
        own[torch.ops.aten._adaptive_avg_pool2d.default] = _adaptive_avg_pool2d
    return own


def simplify(model: Any) -> None:
    """Compute what is constant and remove what nobody reads, in place.

    torch's optimisation also rewrites patterns. That takes minutes for a large graph, and runtimes
    do it themselves.
    """
    fold_constants(model)
    remove_unused_nodes(model)


def _reassemble(features: FLOAT, weights: FLOAT) -> FLOAT:
    """Same as `reassemble_reference`."""
    g, k = _known(weights, 1), _known(weights, 2)
    size = op.Shape(weights, start=4)
    rows = _window_rows(_groups_to_batch(features, g), size, k)
    taps = op.Reshape(weights, op.Concat(_vector(-1, k, k), size, axis=0))
    taps = op.Transpose(taps, perm=[0, 1, 3, 4, 2])
    by_row = [taps] if k == 1 else op.Split(taps, num_outputs=k, axis=1)
    terms = [
        op.ReduceSum(op.Mul(row, w), _vector(-1), keepdims=0)
        for row, w in zip(rows, by_row, strict=True)
    ]
    return op.Reshape(op.Sum(*terms), op.Concat(op.Shape(features, end=2), size, axis=0))


def _correlate(queries: FLOAT, keys: FLOAT, kernel_size: int, groups: int = 1) -> FLOAT:
    """Same as `correlate_reference`."""
    size, g, k = op.Shape(queries, start=2), groups, kernel_size
    by_pixel = op.Unsqueeze(_groups_to_batch(queries, g), _vector(-1))
    scores = [
        op.ReduceSum(op.Mul(row, by_pixel), _vector(1), keepdims=1)
        for row in _window_rows(_groups_to_batch(keys, g), size, k)
    ]
    stacked = op.Transpose(op.Concat(*scores, axis=1), perm=[0, 1, 4, 2, 3])
    shape = op.Concat(op.Shape(queries, end=1), _vector(g, k, k), size, axis=0)
    return op.Reshape(stacked, shape)


def _adaptive_avg_pool2d(maps: FLOAT, output_size: INT64) -> FLOAT:
    """Averages by a matrix for each axis, since ONNX has no such operator."""
    inputs = op.Shape(maps, start=2)
    rows, columns = (
        op.CastLike(_averages(_element(inputs, axis), _element(output_size, axis)), maps)
        for axis in range(2)
    )
    return op.MatMul(op.MatMul(rows, maps), op.Transpose(columns, perm=[1, 0]))


def _averages(n_in: INT64, n_out: INT64) -> FLOAT:
    """Row i averages the inputs from floor(i n / m) to ceil((i + 1) n / m)."""
    i = op.Unsqueeze(op.Range(_scalar(0), n_out, _scalar(1)), _vector(1))
    j = op.Range(_scalar(0), n_in, _scalar(1))
    first, end = op.Mul(i, n_in), op.Mul(op.Add(i, _scalar(1)), n_in)
    starts = op.GreaterOrEqual(j, op.Div(first, n_out))
    inside = op.Cast(op.And(starts, op.Less(op.Mul(j, n_out), end)), to=1)  # to float32
    return op.Div(inside, op.ReduceSum(inside, _vector(1), keepdims=1))


def _window_rows(source: FLOAT, size: INT64, k: int) -> list[FLOAT]:
    """For each row of the window, its k taps under every output pixel: (b, c, H, W, k)."""
    margin = k // 2
    padded = op.Pad(source, _vector(0, 0, margin, margin, 0, 0, margin, margin))
    inputs = op.Shape(source, start=2)
    first_row, first_column = (
        op.Add(_window_start(_element(inputs, axis), _element(size, axis), k), _scalar(margin))
        for axis in range(2)
    )
    taps = op.Add(op.Unsqueeze(first_column, _vector(1)), _vector(*range(k)))
    wide = op.Gather(padded, op.Reshape(taps, _vector(-1)), axis=3)
    wide = op.Reshape(wide, _vector(0, 0, 0, -1, k))
    return [op.Gather(wide, op.Add(first_row, _scalar(p)), axis=2) for p in range(k)]


def _window_start(n_in: INT64, n_out: INT64, k: int) -> INT64:
    """First input index of each output index's window, as `window_start` computes it."""
    twice = op.Add(op.Mul(op.Range(_scalar(0), n_out, _scalar(1)), _scalar(2)), _scalar(1))
    centre, span = op.Mul(twice, n_in), op.Mul(n_out, _scalar(2))
    enlarged = op.Sub(op.Div(centre, span), _scalar(k // 2))
    same_or_smaller = op.Div(op.Add(centre, op.Mul(n_out, _scalar(k))), span)
    return op.Where(op.Greater(n_out, n_in), enlarged, op.Sub(same_or_smaller, _scalar(k)))


def _groups_to_batch(maps: FLOAT, groups: int) -> FLOAT:
    if groups == 1:
        return maps
    size = op.Shape(maps, start=2)
    return op.Reshape(maps, op.Concat(_vector(-1, _known(maps, 1) // groups), size, axis=0))


def _known(tensor: Any, axis: int) -> int:
    """A size that is the same for all inputs."""
    return int(tensor.shape[axis])


def _vector(*values: int) -> INT64:
    return op.Constant(value_ints=list(values))


def _scalar(value: int) -> INT64:
    return op.Constant(value_int=value)


def _element(vector: INT64, index: int) -> INT64:
    return op.Gather(vector, _scalar(index), axis=0)
