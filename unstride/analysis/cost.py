"""Counts an upsampler's parameters and FLOPs as the papers do: two FLOPs per multiply-add.

Convolutions with their biases, matrix products, reassembly, correlation and the taps of
interpolation are counted. Pointwise functions (softmax, norms, gates) are not, as usual.
"""

import copy
from math import prod
from typing import NamedTuple

import torch

import unstride.ops  # noqa: F401  registers the operations that are counted
from unstride.upsamplers.base import Upsampler

aten = torch.ops.aten


class Cost(NamedTuple):
    """The cost of an upsampler for one image.

    Attributes:
        parameters: number of trainable parameters.
        flops_per_pixel: FLOPs per pixel of the coarse grid.
    """

    parameters: int
    flops_per_pixel: float


def operator_cost(upsampler: Upsampler, grid: tuple[int, int] = (64, 64)) -> Cost:
    """Count an upsampler's parameters, and FLOPs per input pixel, without computing anything.

    Args:
        upsampler: from `create_upsampler`, or of a class of your own.
        grid: rows and columns of the features. It matters a little where pooling is global.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports triton

    on_meta = copy.deepcopy(upsampler).to("meta").eval()
    size = grid[0] * upsampler.scale, grid[1] * upsampler.scale
    features = torch.empty(1, upsampler.channels, *grid, device="meta")
    guide = torch.empty(1, upsampler.guide_channels or 3, *size, device="meta")
    with FlopCounterMode(display=False, custom_mapping=FLOP_FORMULAS) as counter, torch.no_grad():
        on_meta(features, guide, size)
    total = counter.get_total_flops()
    return Cost(sum(p.numel() for p in upsampler.parameters()), total / prod(grid))


def _convolution_flops(x, w, bias, stride, padding, dilation, transposed, *_, out_shape=None, **__):
    from torch.utils.flop_counter import conv_flop_count

    flops = conv_flop_count(x, w, out_shape, transposed=transposed)
    return flops + (2 * prod(out_shape) if bias is not None else 0)


def _reassemble_flops(features, weights, *_, out_shape=None, **__):
    return 2 * weights[2] ** 2 * prod(out_shape)


def _correlate_flops(queries, keys, kernel_size, *_, out_shape=None, **__):
    return 2 * kernel_size**2 * prod(queries)


def _scatter_flops(values, weights, *_, out_shape=None, **__):
    return 2 * weights[2] ** 2 * prod(values)


def _interpolation_flops(num_taps: int):
    def formula(*_, out_shape=None, **__):
        return 2 * num_taps * prod(out_shape)

    return formula


FLOP_FORMULAS = {
    torch.ops.unstride.reassemble: _reassemble_flops,
    torch.ops.unstride.correlate: _correlate_flops,
    torch.ops.unstride.scatter: _scatter_flops,
    aten.convolution: _convolution_flops,
    aten.upsample_bilinear2d: _interpolation_flops(4),
    aten._upsample_bilinear2d_aa: _interpolation_flops(4),
    aten.upsample_bicubic2d: _interpolation_flops(16),
    aten.grid_sampler_2d: _interpolation_flops(4),
}
