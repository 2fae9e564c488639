"""Keeps pictures small enough for viewers and for memory, whatever the shape of the image."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

MAX_SIDE = 16_384  # largest height and width of a picture, in pixels; larger ones are shrunk

Size = tuple[int, int]  # height and width, in pixels


def fitted_size(size: Size, limits: Size) -> Size:
    """The largest size of the same aspect ratio within limits; each side is at least 1."""
    scale = min(limit / side for side, limit in zip(size, limits, strict=True))
    height, width = (max(round(scale * side), 1) for side in size)
    return height, width


def bounded_size(size: Size) -> Size:
    """The size itself, or one of the same aspect ratio if a side is longer than MAX_SIDE."""
    return size if max(size) <= MAX_SIDE else fitted_size(size, (MAX_SIDE, MAX_SIDE))


def bounded_picture(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 H W"]:
    """The picture itself, or a smaller one if a side is longer than MAX_SIDE."""
    height, width = picture.shape[1:]
    return resized_picture(picture, bounded_size((height, width)))


def resized_picture(picture: Float[Tensor, "3 h w"], size: Size) -> Float[Tensor, "3 H W"]:
    """The picture at another size, smoothed where it is shrunk; itself if it has that size."""
    if tuple(picture.shape[1:]) == size:
        return picture
    resized = interpolate(picture[None].float(), size, mode="bilinear", antialias=True)
    return torch.clamp(resized[0], 0, 1).to(picture)
