"""Random views of images: one coordinate map for an image and for its features."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from unstride.transforms.sampling_grid import outer_grid


def random_views(
    count: int, zoom: tuple[float, float], generator: torch.Generator, *, pad: float = 0.0
) -> Float[Tensor, "n 4"]:
    """Draw boxes in an image. Columns: left, top, side, and 1 where the view is flipped.

    Left, top and side are shares of the image's sides.

    Args:
        count: number of views.
        zoom: smallest and largest magnification.
        generator: generator of the random numbers.
        pad: how far a box may reach beyond the image's edges, as a share of its sides. Default: 0.
    """
    factor = torch.empty(count).uniform_(*zoom, generator=generator)
    corner = torch.rand(count, 2, generator=generator) * (1 - 1 / factor + 2 * pad)[:, None] - pad
    flip = torch.randint(0, 2, (count,), generator=generator).float()
    return torch.stack([corner[:, 0], corner[:, 1], 1 / factor, flip], 1)


def apply_views(
    views: Float[Tensor, "b 4"], image: Float[Tensor, "b c h w"], size: int | tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """Sample images, or maps of their features, through views: the same coordinates for both.

    Beyond an edge lies the mirror image, in images and in maps alike.

    Args:
        views: views of `random_views`, one per image.
        image: images or maps.
        size: rows and columns of the result, or the side of a square.
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    left, top, side, flip = views.unbind(1)
    y, x = (
        (torch.arange(n, device=image.device, dtype=image.dtype) + 0.5) / n for n in (rows, columns)
    )
    x = torch.where(flip[:, None] > 0, x.flip(0), x) * side[:, None] + left[:, None]
    y = y * side[:, None] + top[:, None]
    grid = 2 * outer_grid(x, y) - 1
    return grid_sample(image, grid, "bilinear", "reflection", align_corners=False)
