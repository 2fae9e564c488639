"""NYU Depth v2 with 13 classes, in the arrays that multi-task methods usually use.

The layout is that of Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR
2019, arXiv:1803.10704 (795 and 654 frames, 288 x 384). The classes are those of Couprie, Farabet,
Najman, LeCun, ICLR 2013, arXiv:1301.3572. The folder `normal` is not read: the axes of its
vectors are documented nowhere, and normals can be computed from depth.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import ItemFiles, LabelledDataset
from unstride.datasets.nyuv2 import kinect_intrinsics
from unstride.formats.arrays import read_array
from unstride.formats.labels import UNLABELLED


class NYUv2MultiTask(LabelledDataset):
    """Images with `segmentation` (classes, or UNLABELLED) and `depth` (metres, 0 unknown)."""

    splits = ("train", "val")
    layout = "{train,val}/{image,label,depth}/N.npy"
    classes = (
        "bed", "books", "ceiling", "chair", "floor", "furniture", "objects",
        "picture", "sofa", "table", "tv", "wall", "window",
    )  # fmt: skip

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the frames, in the order of their numbers."""
        folder = self.find_folder(self.split)
        images = [path for path in (folder / "image").glob("*.npy") if path.stem.isdigit()]
        for image in sorted(images, key=lambda path: int(path.stem)):
            labels = [folder / kind / image.name for kind in ("label", "depth")]
            yield ItemFiles(image.stem, image, labels)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], dict[str, Tensor]]:
        image_path = self.image_paths[index]
        image = read_array(image_path, 3).movedim(-1, 0)
        image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        if not ((image >= 0) & (image <= 1)).all():
            raise ValueError(f"{image_path}: floating-point RGB must be in [0, 1]")
        size = image.shape[1], image.shape[2]
        ids, depth = (read_array(path, 2, size) for path in self.label_paths[index])
        is_class = (ids >= 0) & (ids < len(self.classes))
        classes = torch.where(is_class, ids, UNLABELLED).long()
        return image, {"segmentation": classes, "depth": depth.float()}

    def intrinsics_for(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """Return the intrinsics for images of this (height, width), the same for all items."""
        del index
        return kinect_intrinsics(size)
