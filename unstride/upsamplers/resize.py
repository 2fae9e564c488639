"""Resizes maps to any size, and counts the cells that a resize reads."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pixel_shuffle

from unstride.ops.checks import check_size
from unstride.ops.exporting import standard_operators_only, whole_ratio
from unstride.ops.portable_taps import LARGEST_REPEAT, repeat_pixels


def cells_covering(pixels: int, grid: tuple[int, int], size: tuple[int, int]) -> int:
    """Number of cells of `grid` that cover `pixels` neighbouring pixels of an output of `size`."""
    return max(-(-pixels * n // m) for n, m in zip(grid, size, strict=True))


def resize_halo(grid: tuple[int, int], size: tuple[int, int]) -> int:
    """Halo, in pixels of `grid`, of a bilinear resize to `size`, with or without antialiasing."""
    return 0 if grid == size else cells_covering(1, grid, size)


def shuffle_to_size(
    predictions: Float[Tensor, "b n h w"], scale: int, size: tuple[int, int]
) -> Float[Tensor, "b m H W"]:
    """Lay out predictions for scale x scale output pixels per input pixel as a map of `size`.

    If `size` is not `scale` times the grid, each output pixel takes the prediction for the
    sub-pixel that holds its centre. So every window keeps the weights of its input pixel.
    """
    return resize_nearest(pixel_shuffle(predictions, scale), size)


def resize_nearest(
    maps: Float[Tensor, "b d h w"], size: tuple[int, int]
) -> Float[Tensor, "b d H W"]:
    """Give each output pixel the value of the input pixel that holds its centre."""
    if tuple(maps.shape[2:]) == size:
        return maps
    if all(max(n, m) % min(n, m) == 0 for n, m in zip(maps.shape[2:], size, strict=True)):
        return resize(maps, size, "nearest-exact")
    return _gather_nearest(maps, size)


def resize(
    maps: Float[Tensor, "b d h w"], size: tuple[int, int], mode: str
) -> Float[Tensor, "b d H W"]:
    """Resize as `interpolate` does, which has no "nearest-exact" in many runtimes.

    In exported graphs that is a repetition of pixels, or an index for each row and column. Where an
    output pixel's centre lies between two pixels, these may choose the other one of them.

    Args:
        maps: on a grid of any size.
        size: rows and columns of the result.
        mode: of `interpolate`.
    """
    if mode != "nearest-exact" or not standard_operators_only():
        return interpolate(maps, size, mode=mode)
    rows, columns = (whole_ratio(m, n) for n, m in zip(maps.shape[2:], size, strict=True))
    if rows is None or columns is None or max(rows, columns) > LARGEST_REPEAT:
        return _gather_nearest(maps, size)
    return repeat_pixels(maps, rows, columns)


def _gather_nearest(maps: Tensor, size: tuple[int, int]) -> Tensor:
    for dim, n_out in ((3, size[1]), (2, size[0])):  # in integers, like the windows of `ops`
        twice_centres = 2 * torch.arange(n_out, device=maps.device) + 1
        maps = maps.index_select(dim, twice_centres * maps.shape[dim] // (2 * n_out))
    return maps


def resize_antialiased(
    maps: Float[Tensor, "b c h w"], size: tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """Resize bilinearly, antialiased where it shrinks. Returns `maps` itself if it has the size."""
    if tuple(maps.shape[2:]) == size:
        return maps
    return interpolate(maps, size, mode="bilinear", align_corners=False, antialias=True)


def checked_size(size: Any) -> tuple[int, int]:
    """The size (height, width) that a caller asks for, in pixels.

    Raises:
        ValueError: if it is not a pair of whole numbers above 0.
    """
    check_size(size)
    return size[0], size[1]
