"""Random crops of images, reproducible: each depends only on the seed and on its index."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.datasets.shuffled import SEED_STRIDE, shuffled_index
from unstride.formats.images import load_image
from unstride.transforms.resize import resize_bilinear


class RandomCrops(Dataset):
    """Random crops of images. Each depends only on the seed and on its index.

    An image is first resized to between 1 and 1.25 times the smallest size that holds a crop.

    Args:
        image_paths: image files.
        crop_size: rows and columns of a crop in pixels, or the side of a square crop.
        length: number of crops. Every image is used once per epoch, in a new random order.
        seed: seed of the order and of the crops.

    Raises:
        ValueError: if there is no image to crop.
    """

    def __init__(
        self,
        image_paths: Sequence[Path],
        crop_size: int | tuple[int, int],
        *,
        length: int,
        seed: int,
    ):
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else crop_size
        self.image_paths, self.length, self.seed = list(image_paths), length, seed
        if length and not self.image_paths:
            raise ValueError("image_paths must be at least one image, got none")

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Float[Tensor, "3 h w"]:
        image_index = shuffled_index(index, len(self.image_paths), seed=self.seed)
        image = load_image(self.image_paths[image_index])
        generator = torch.Generator().manual_seed(self.seed * SEED_STRIDE + index)
        across, down, enlarge = torch.rand(3, generator=generator).tolist()
        (rows, columns), (height, width) = self.crop_size, image.shape[2:]
        ratio = (1 + enlarge / 4) * max(rows / height, columns / width)
        height, width = max(round(height * ratio), rows), max(round(width * ratio), columns)
        top, left = int(down * (height - rows + 1)), int(across * (width - columns + 1))
        image = resize_bilinear(image, (height, width))
        return image[0, :, top : top + rows, left : left + columns].clamp(0, 1)
