"""Pads an image at its right and bottom."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad


def pad_image(image: Float[Tensor, "b c H W"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Pad an image at its right and bottom to `size`.

    The padding mirrors the image. An image too small to be mirrored has its border repeated.
    """
    down, right = size[0] - image.shape[2], size[1] - image.shape[3]
    if down == right == 0:
        return image
    can_mirror = down < image.shape[2] and right < image.shape[3]
    return pad(image, (0, right, 0, down), mode="reflect" if can_mirror else "replicate")
