"""Convolution, normalisation, rectification: what necks and heads are made of."""

from collections.abc import Callable
from math import gcd

from torch import nn

NORM_GROUPS = 32


def conv_norm_relu(
    before: int,
    after: int,
    kernel_size: int = 1,
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
) -> nn.Sequential:
    """Values of zero and more, on the grid that comes in.

    Args:
        before, after: channels of what comes in, of what goes out.
        kernel_size: side of the convolution, odd.
        norm: makes the normalisation of so many channels.
    """
    convolution = nn.Conv2d(before, after, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(convolution, norm(after), nn.ReLU())


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation in 32 groups, or in as many as divide the channels in two or more.

    A group of one channel would have nothing to compare on a grid of one cell.
    """
    groups = gcd(NORM_GROUPS, channels)
    return nn.GroupNorm(max(groups // 2, 1) if groups == channels else groups, channels)
