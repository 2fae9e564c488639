"""NYU Depth v2 with 13 classes, as it is usually prepared for several tasks at once.

The layout is that of Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR
2019, arXiv:1803.10704 (795 and 654 frames, 288 x 384); the classes are those of Couprie, Farabet,
Najman, LeCun, ICLR 2013, arXiv:1301.3572. The folder `normal` is not read: the axes of its
vectors are nowhere said, and depth tells them.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import ItemFiles, LabelledDataset
from unstride.datasets.nyuv2 import FRAME_SIZE, INTRINSICS
from unstride.formats.labels import UNLABELLED
from unstride.geometry import half_pixel_intrinsics, resized_intrinsics


class NYUv2MultiTask(LabelledDataset):
    """Photographs with `segmentation` (classes, or UNLABELLED) and `depth` (metres, 0 unknown)."""

    splits = ("train", "val")
    layout = "{train,val}/{image,label,depth}/N.npy"
    classes = (
        "bed", "books", "ceiling", "chair", "floor", "furniture", "objects",
        "picture", "sofa", "table", "tv", "wall", "window",
    )  # fmt: skip

    def find(self) -> Iterator[ItemFiles]:
        """The frames, in the order of their numbers."""
        folder = self.folder(self.split)
        images = [path for path in (folder / "image").glob("*.npy") if path.stem.isdigit()]
        for image in sorted(images, key=lambda path: int(path.stem)):
            labels = [folder / kind / image.name for kind in ("label", "depth")]
            yield image.stem, image, labels

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], dict[str, Tensor]]:
        image = _read_array(self.images[index], 3).movedim(-1, 0)
        image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        if not ((image >= 0) & (image <= 1)).all():
            raise ValueError(f"{self.images[index]}: floating point RGB is expected in [0, 1]")
        size = image.shape[1], image.shape[2]
        numbers, depth = (_read_array(path, 2, size) for path in self.labels[index])
        known = (numbers >= 0) & (numbers < len(self.classes))
        classes = torch.where(known, numbers, UNLABELLED).long()
        return image, {"segmentation": classes, "depth": depth.float()}

    def camera(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """The intrinsics of an item of this size."""
        del index
        return resized_intrinsics(half_pixel_intrinsics(torch.tensor(INTRINSICS)), FRAME_SIZE, size)


def _read_array(path: Path, dims: int, size: tuple[int, int] | None = None) -> Tensor:
    """The numbers in a file; a last axis of one is left out where two axes are wanted."""
    import numpy as np

    try:
        numbers = torch.from_numpy(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, TypeError) as error:
        raise ValueError(f"{path}: no array of numbers ({error})") from None
    if numbers.ndim == dims + 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    if numbers.ndim != dims or (dims == 3 and numbers.shape[2] != 3):
        raise ValueError(f"{path}: {dims} axes are expected, got {tuple(numbers.shape)}")
    if size is not None and tuple(numbers.shape) != size:
        raise ValueError(f"{path}: {tuple(numbers.shape)}, but its photograph has {size}")
    return numbers
