"""Convolution, normalisation and ReLU: the building block of necks and heads."""

from collections.abc import Callable
from math import gcd

from torch import nn

NORM_GROUPS = 32

NormFactory = Callable[[int], nn.Module]  # called with the number of channels


def conv_norm_relu(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    norm_layer: NormFactory = nn.BatchNorm2d,
    *,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """A convolution without bias, a norm and a ReLU, on the same grid.

    Args:
        in_channels, out_channels: see `torch.nn.Conv2d`.
        kernel_size: side of the convolution, odd.
        norm_layer: makes the norm, called with the number of channels.
        dilation, groups: see `torch.nn.Conv2d`.
    """
    convolution = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )
    return nn.Sequential(convolution, norm_layer(out_channels), nn.ReLU())


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with 32 groups, or as many as divide the channels into groups of at least two.

    A group of one channel has a single value on a grid of one cell, so its norm would be constant.
    """
    groups = gcd(NORM_GROUPS, channels)
    return nn.GroupNorm(max(groups // 2, 1) if groups == channels else groups, channels)
