"""Adaptive average pooling that every exporter knows."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from unstride.ops.exporting import standard_operators_only, whole_ratio


def average_to_size(
    maps: Float[Tensor, "b c h w"], size: tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """Average the input pixels that each output pixel touches, as `adaptive_avg_pool2d` does.

    In exported graphs it is a pooling with fixed windows, or products with a matrix for each axis.

    Args:
        maps: on a grid of any size.
        size: rows and columns of the result.
    """
    if not standard_operators_only():
        return adaptive_avg_pool2d(maps, size)
    axes = list(zip(maps.shape[2:], size, strict=True))
    rows, columns = (whole_ratio(n_in, n_out) for n_in, n_out in axes)
    if rows is not None and columns is not None:
        return maps if rows == columns == 1 else avg_pool2d(maps, (rows, columns))
    by_row, by_column = (averages(n_in, n_out, maps) for n_in, n_out in axes)
    return by_row @ maps @ by_column.transpose(0, 1)


def averages(n_in: int, n_out: int, like: Tensor) -> Float[Tensor, "m n"]:
    """Row i averages the inputs from floor(i n / m) to ceil((i + 1) n / m), along one axis."""
    outputs = torch.arange(n_out, device=like.device)[:, None]
    inputs = torch.arange(n_in, device=like.device)
    is_after_start = inputs >= outputs * n_in // n_out
    is_before_end = inputs * n_out < (outputs + 1) * n_in
    touched = is_after_start.to(like.dtype) * is_before_end.to(like.dtype)
    return touched / touched.sum(1, keepdim=True)
