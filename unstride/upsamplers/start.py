"""How a learned operator begins: as the interpolation whose place it takes.

A fresh operator in a trained network should begin with that network's own answers. Operators that
weight the taps of a window get the interpolation's weights as a factor: their own prediction,
almost equal for all taps at first, multiplies it. A small share of the weight lies on all taps of
the window, because a tap of weight zero would never learn. Taps beyond the border have none.

With `start="published"` there is no such factor, as in the papers; published weights need it.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.ops.window import window_start

Interpolation = Literal["bilinear", "bilinear_aligned", "nearest"]
Start = Literal["bilinear", "bilinear_aligned", "nearest", "published"]
KernelStart = Literal["bilinear", "nearest", "published"]  # of operators with one kernel everywhere
FLOOR = 0.02  # share of the weight on all taps of the window; docs/swap.md has what it changes


def start_weights(
    grid: tuple[int, int],
    size: tuple[int, int],
    kernel_size: int,
    interpolation: Interpolation,
    like: Tensor,
) -> Float[Tensor, "1 1 k k H W"]:
    """The weights of an interpolation as taps of a window, with a floor on all taps of the map.

    They sum to one for each output pixel.

    Args:
        grid: rows and columns (h, w) of the features.
        size: rows and columns of the output.
        kernel_size: side k of the window, in input pixels. It must hold the interpolation's taps:
            one pixel for nearest, three for bilinear where it enlarges.
        interpolation: bilinear (its border pixels are repeated), bilinear_aligned (which is
            torch's `align_corners=True`) or nearest.
        like: a tensor with the type and the device of the result.
    """
    sharp, on_map = [], []
    for n, m in zip(grid, size, strict=True):
        taps = (
            window_start(n, m, kernel_size, like.device)
            + torch.arange(kernel_size, device=like.device)[:, None]
        )
        centre = (
            2 * torch.arange(m, device=like.device) + 1
        ) * n  # in units of half an output pixel
        if interpolation == "nearest":
            weights = taps == centre // (2 * m)
        else:
            if interpolation == "bilinear":
                position = ((centre - m).double() / (2 * m)).clamp(0, n - 1)
            else:
                position = torch.arange(m, device=like.device).double() * (n - 1) / max(m - 1, 1)
            weights = (1 - (taps - position).abs()).clamp(min=0)
        sharp.append(weights.to(like))
        on_map.append((taps >= 0).logical_and(taps < n).to(like))
    rows, columns = sharp
    interpolated = rows[:, None, :, None] * columns[:, None]
    inside = on_map[0][:, None, :, None] * on_map[1][:, None]
    even = inside / inside.sum((0, 1), keepdim=True)
    return ((1 - FLOOR) * interpolated + FLOOR * even)[None, None]


def with_start(
    logits: Float[Tensor, "b g k k H W"], grid: tuple[int, int], start: Start
) -> Float[Tensor, "b g k k H W"]:
    """Logits of taps plus the logarithm of the start's weights: minus infinity off the map.

    Args:
        logits: of the taps of each output pixel.
        grid: rows and columns (h, w) of the features.
        start: unchanged if published.
    """
    if start == "published":
        return logits
    size = logits.shape[4], logits.shape[5]
    return logits + start_weights(grid, size, logits.shape[2], start, logits).log()


def interpolation_kernel(side: int, centre: float, scale: int, start: KernelStart) -> Tensor:
    """The weights with which one input pixel spreads over `side` output pixels along an axis.

    Args:
        side: number of output pixels.
        centre: where the input pixel's centre lies among them, in output pixels.
        scale: output pixels per input pixel.
        start: bilinear or nearest.
    """
    distance = (torch.arange(side) + 0.5 - centre).abs() / scale
    return (distance < 0.5).float() if start == "nearest" else (1 - distance).clamp(min=0)
