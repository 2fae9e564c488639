"""Bilinear resizing with antialiasing."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate


def resize_bilinear(
    maps: Float[Tensor, "b c h w"], size: tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """Resize maps bilinearly, averaging where they shrink. Maps of that size are not copied."""
    if maps.shape[2:] == torch.Size(size):
        return maps
    return interpolate(maps, size, mode="bilinear", antialias=True)
