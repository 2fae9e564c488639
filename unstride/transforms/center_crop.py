"""The middle of a photograph."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate


def center_crop_resize(image: Float[Tensor, "1 3 h w"], side: int) -> Float[Tensor, "1 3 s s"]:
    """The largest square around the middle, resized to `side` pixels; RGB in [0, 1]."""
    h, w = image.shape[2:]
    n = min(h, w)
    top, left = (h - n) // 2, (w - n) // 2
    middle = image[:, :, top : top + n, left : left + n]
    if n == side:
        return middle
    resized = interpolate(middle, (side, side), mode="bilinear", antialias=True)
    return resized.clamp(0, 1)
