"""A user's own data set for segmentation or depth: a folder of images and a folder of labels."""

from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from unstride.datasets.base import (
    DepthDataset,
    LabelledDataset,
    SegmentationDataset,
    evenly_spaced_indices,
)
from unstride.datasets.own_folders import OwnFolders
from unstride.formats.arrays import read_array
from unstride.formats.class_masks import class_names, load_class_mask
from unstride.formats.images import image_size
from unstride.formats.labels import UNLABELLED, load_depth

CLASS_FILES = ("classes.txt", "classes.yaml", "classes.yml")
ARRAY_SUFFIX = ".npy"
SIZES_CHECKED = 1000  # images whose size is compared with that of their label before a run
METRES_PER_STEP = 0.001  # of the numbers in a depth image, where nothing else is said


class SegmentationFolder(OwnFolders, SegmentationDataset):
    """Images with masks of the same name, and a list of the classes.

    Masks hold class numbers, palette indices or class colours, see `load_class_mask`.
    """

    layout = "{images,masks} or {train,val,test}/{images,masks}, and classes.txt or classes.yaml"
    label_folders = ("masks", "labels")
    label_suffixes = (".png", ".bmp", ".tif", ".tiff", ".gif")

    def __init__(self, root: str | Path, split: str, **options: Any):
        super().__init__(root, split, **options)
        self.listed_classes = self.read_classes(CLASS_FILES)
        self.classes = class_names(self.listed_classes)
        if len(self.classes) > UNLABELLED:
            raise ValueError(
                f"{root}: there must be at most {UNLABELLED} classes, got {len(self.classes)}"
            )

    def check_sizes(self) -> None:
        """Compare the sizes of images and masks, of at most SIZES_CHECKED items.

        Raises:
            ValueError: if one differs; names the mask and both sizes.
        """
        _compare_sizes(self)

    def read_labels(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "h w"]:
        """Read classes from 0, or UNLABELLED."""
        return load_class_mask(self.label_paths[index][0], self.listed_classes, size)


class DepthFolder(OwnFolders, DepthDataset):
    """Images with depth of the same name: 16-bit images, or arrays of metres (.npy).

    Depth that is 0, negative or not a finite number is unknown.

    Args:
        root: folder of the data set.
        split: train, val or test. `test` needs a folder or a list.
        metres_per_step: metres per step of the numbers in 16-bit images.
        options: see `OwnFolders`.
    """

    layout = "{images,depth} or {train,val,test}/{images,depth}, with depth/NAME.png or NAME.npy"
    option_names = (*OwnFolders.option_names, "metres_per_step")
    label_folders = ("depth", "depths")
    label_suffixes = (".png", ".npy", ".tif", ".tiff")

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        metres_per_step: float = METRES_PER_STEP,
        **options: Any,
    ):
        super().__init__(root, split, **options)
        self.metres_per_step = metres_per_step

    def check_sizes(self) -> None:
        """Compare the sizes of images and depth images, of at most SIZES_CHECKED items.

        Raises:
            ValueError: if one differs; names the depth image and both sizes.
        """
        _compare_sizes(self)

    def read_labels(self, index: int, size: tuple[int, int]) -> Float[Tensor, "h w"]:
        """Read metres along the optical axis, or 0."""
        path = self.label_paths[index][0]
        if path.suffix.lower() != ARRAY_SUFFIX:
            return load_depth(path, size, self.metres_per_step)
        depth = read_array(path, 2, size).float()
        return depth.where(depth.isfinite() & (depth > 0), 0.0)


def _compare_sizes(dataset: LabelledDataset) -> None:
    for index in evenly_spaced_indices(len(dataset), SIZES_CHECKED):
        path = dataset.label_paths[index][0]
        if path.suffix.lower() == ARRAY_SUFFIX:
            continue
        size, expected = image_size(path, upright=False), image_size(dataset.image_paths[index])
        if size != expected:
            raise ValueError(
                f"{path}: {size[1]} x {size[0]} pixels, "
                f"but its image has {expected[1]} x {expected[0]}"
            )
