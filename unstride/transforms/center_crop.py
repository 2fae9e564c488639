"""Crops the centre square of an image and resizes it."""

from jaxtyping import Float
from torch import Tensor

from unstride.transforms.resize import resize_bilinear


def center_crop_resize(image: Float[Tensor, "1 3 h w"], size: int) -> Float[Tensor, "1 3 s s"]:
    """Crop the largest centre square of an image (RGB in [0, 1]) and resizes it.

    Args:
        image: RGB in [0, 1].
        size: side of the result, in pixels.
    """
    h, w = image.shape[2:]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    square = image[:, :, top : top + side, left : left + side]
    return square if side == size else resize_bilinear(square, (size, size)).clamp(0, 1)
