"""Crops of photographs, and views of them: one coordinate map for an image and its features."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample


def random_views(
    n: int, zoom: tuple[float, float], generator: torch.Generator, *, pad: float = 0.0
) -> Float[Tensor, "n 4"]:
    """Left, top and side of a box in the picture, as shares of its sides, and 1 where flipped.

    Args:
        n: how many.
        zoom: least and greatest magnification.
        generator: of the random numbers.
        pad: how far a box may reach beyond the picture's edges, as a share of its sides.
    """
    factor = torch.empty(n).uniform_(*zoom, generator=generator)
    corner = torch.rand(n, 2, generator=generator) * (1 - 1 / factor + 2 * pad)[:, None] - pad
    flip = torch.randint(0, 2, (n,), generator=generator).float()
    return torch.stack([corner[:, 0], corner[:, 1], 1 / factor, flip], 1)


def apply_views(
    view: Float[Tensor, "b 4"], image: Float[Tensor, "b c h w"], size: int | tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """An image, or a map of its features, as the view shows it: one coordinate map for both.

    What lies beyond an edge is mirrored at it, in the image and in the map alike.
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    left, top, side, flip = view.unbind(1)
    y, x = (
        (torch.arange(n, device=image.device, dtype=image.dtype) + 0.5) / n for n in (rows, columns)
    )
    x = torch.where(flip[:, None] > 0, x.flip(0), x) * side[:, None] + left[:, None]
    y = y * side[:, None] + top[:, None]
    grid = torch.stack([x[:, None].expand(-1, rows, -1), y[:, :, None].expand(-1, -1, columns)], -1)
    return grid_sample(image, 2 * grid - 1, "bilinear", "reflection", align_corners=False)
