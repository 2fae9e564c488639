"""Crops an image and draws a hole in it: one sample of inpainting."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision.transforms import v2

from unstride.transforms.holes import HoleKind, random_hole
from unstride.transforms.resize import resize_bilinear


class HoledCrop:
    """A random crop, mirrored half of the time, and a random hole; draws from torch's global state.

    Args:
        size: rows and columns of the crop.
        kind: of the hole.
        scale_range: smallest and largest share of the image's area in a crop.
    """

    def __init__(
        self, size: tuple[int, int], kind: HoleKind, scale_range: tuple[float, float] = (0.2, 1.0)
    ):
        aspect = size[1] / size[0]
        self.size, self.kind = size, kind
        self.crop = v2.RandomResizedCrop(size, scale_range, (aspect, aspect), antialias=True)

    def __call__(
        self, image: Float[Tensor, "3 h w"]
    ) -> tuple[Float[Tensor, "3 H W"], Bool[Tensor, "1 H W"]]:
        """The crop, and where its hole is.

        Args:
            image: RGB in [0, 1].
        """
        crop = self.crop(image).clamp(0, 1)
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        if torch.rand(()) < 0.5:
            crop = crop.flip(2)
        return crop, random_hole(self.kind, self.size, generator)


class CentreHole:
    """The centre of an image and a hole that depends on a seed: one sample to measure on.

    Args:
        size: rows and columns of the crop.
        kind: of the hole.
    """

    def __init__(self, size: tuple[int, int], kind: HoleKind):
        self.size, self.kind = size, kind

    def __call__(
        self, image: Float[Tensor, "3 h w"], seed: int
    ) -> tuple[Float[Tensor, "3 H W"], Bool[Tensor, "1 H W"]]:
        """The largest centre with the crop's sides, resized to it, and where its hole is.

        Args:
            image: RGB in [0, 1].
            seed: of the hole.
        """
        (h, w), (rows, columns) = image.shape[1:], self.size
        scale = min(h / rows, w / columns)
        height, width = max(round(rows * scale), 1), max(round(columns * scale), 1)
        top, left = (h - height) // 2, (w - width) // 2
        crop = image[None, :, top : top + height, left : left + width]
        generator = torch.Generator().manual_seed(seed)
        resized = resize_bilinear(crop, self.size)[0].clamp(0, 1)
        return resized, random_hole(self.kind, self.size, generator)
