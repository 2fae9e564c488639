"""What may be done to a photograph whose depth is known in metres.

To crop, to mirror and to recolour it leaves depth true. To zoom does not: what looks twice as large
would be taken for half as far. So all photographs of a data set get one size, and keep it.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset
from torchvision.transforms import v2


def metric_augmentation(
    size: tuple[int, int],
    *,
    recolour: v2.Transform,
    crop: tuple[int, int] | None = None,
    flip: bool = True,
) -> v2.Transform:
    """Resized, cropped at random, mirrored half of the time, recoloured.

    Photographs and labels must be tv_tensors, or types of `data.spatial`.

    Args:
        size: rows and columns that every photograph is given.
        recolour: what changes the colours of a photograph.
        crop: rows and columns of the result, at most `size`; by default all.
        flip: mirror half of them, left and right.

    Raises:
        ValueError: if the crop is larger than the photograph.
    """
    if crop is not None and (crop[0] > size[0] or crop[1] > size[1]):
        raise ValueError(f"crop {crop}: at most size {size} is possible")
    steps: list[v2.Transform] = [v2.Resize(size, antialias=True)]
    if crop is not None:
        steps.append(v2.RandomCrop(crop))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    return v2.Compose([*steps, recolour])


class AtSize(Dataset):
    """Photographs at one size, with their labels as they are.

    Args:
        source: items are (image, labels).
        size: rows and columns of the image.
    """

    def __init__(self, source: Dataset, size: tuple[int, int]):
        self.source, self.size = source, size

    def __len__(self) -> int:
        return len(self.source)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Any]:
        image, labels = self.source[index]
        return at_size(image[None], self.size)[0], labels


def at_size(maps: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c H W"]:
    """Maps at another size, bilinear; averages where they shrink."""
    if maps.shape[2:] == torch.Size(size):
        return maps
    return interpolate(maps, size, mode="bilinear", antialias=True)
