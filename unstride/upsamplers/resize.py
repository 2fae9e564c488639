"""TODO."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pixel_shuffle


def cells_covering(pixels: int, grid: tuple[int, int], size: tuple[int, int]) -> int:
    """In how many cells of the grid so many neighbouring pixels of an output of `size` lie."""
    return max(-(-pixels * n // m) for n, m in zip(grid, size, strict=True))


def resize_halo(grid: tuple[int, int], size: tuple[int, int]) -> int:
    """How many pixels of `grid` a bilinear resizing to `size`, antialiased or not, looks beyond."""
    return 0 if grid == size else cells_covering(1, grid, size)


def shuffle_to_size(
    predictions: Float[Tensor, "b n h w"], scale: int, size: tuple[int, int]
) -> Float[Tensor, "b m H W"]:
    """Predictions for the scale x scale output pixels of each input pixel, as a map of `size`.

    At another size than `scale` times the grid, an output pixel takes the prediction made for
    the place where its centre lies; so every window keeps the weights of its input pixel.
    """
    return resize_nearest(pixel_shuffle(predictions, scale), size)


def resize_nearest(
    maps: Float[Tensor, "b d h w"], size: tuple[int, int]
) -> Float[Tensor, "b d H W"]:
    """Each output pixel takes the value of the input pixel that holds its centre."""
    if tuple(maps.shape[2:]) == size:
        return maps
    if all(max(n, m) % min(n, m) == 0 for n, m in zip(maps.shape[2:], size, strict=True)):
        return interpolate(maps, size, mode="nearest-exact")
    for dim, n_out in ((3, size[1]), (2, size[0])):  # in whole numbers, as windows are placed
        twice = 2 * torch.arange(n_out, device=maps.device) + 1
        maps = maps.index_select(dim, twice * maps.shape[dim] // (2 * n_out))
    return maps


def resize_antialiased(
    maps: Float[Tensor, "b c h w"], size: tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """Bilinear, antialiased where it shrinks; the same tensor if it has the size."""
    if tuple(maps.shape[2:]) == size:
        return maps
    return interpolate(maps, size, mode="bilinear", align_corners=False, antialias=True)
