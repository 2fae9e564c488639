"""Finds the folders of COCO's images and panoptic PNGs, and the files of one's own COCO data."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from unstride.datasets.base import ImageDataset
from unstride.datasets.random_split import VAL_SHARE


def image_folder(dataset: ImageDataset, coco_split: str) -> Path:
    """Return the folder of images of a COCO split such as train2017."""
    return dataset.find_folder(f"{coco_split}/images", f"images/{coco_split}", coco_split)


def panoptic_folder(dataset: ImageDataset, coco_split: str) -> Path:
    """Return the folder of panoptic PNGs: COCO's own, or one beside the images."""
    return dataset.find_folder(f"annotations/panoptic_{coco_split}", f"{coco_split}/panoptic")


class SplitFiles(NamedTuple):
    """The folder of images and the JSON file of a split, and whether they hold it alone."""

    images: Path
    annotations: Path
    is_split: bool


@dataclass(frozen=True)
class OwnCOCO:
    """Where one's own data in COCO's format lie. Paths are relative to the data set's folder.

    Args:
        images: folder of the images. Default: the folder of the annotations.
        annotations: JSON file. Without one, the folders are those of COCO itself.
        val_images: folder of the images of `val`. Default: as for `images`.
        val_annotations: JSON file of `val`. Default: `val` is a random part of the images.
        val_share: share of the images in the random `val`, above 0 and below 1.
        split_seed: seed of the random `val`.

    Raises:
        ValueError: if there is no JSON file for images that are given.
    """

    images: Path | None = None
    annotations: Path | None = None
    val_images: Path | None = None
    val_annotations: Path | None = None
    val_share: float = VAL_SHARE
    split_seed: int = 0

    def __post_init__(self) -> None:
        """Check that nothing is given without the JSON file that it belongs to."""
        if self.annotations is None and (self.images or self.val_images or self.val_annotations):
            raise ValueError("annotations must be set, to the JSON file that belongs to the images")
        if self.val_annotations is None and self.val_images is not None:
            raise ValueError("val_annotations must be set, to the JSON file of val_images")

    def files(self, root: Path, split: str) -> SplitFiles | None:
        """Return the files of a split, or None if the folders are those of COCO itself.

        Raises:
            FileNotFoundError: if the folder of the images does not exist.
        """
        if self.annotations is None:
            return None
        is_split = self.val_annotations is not None
        annotations, images = self.annotations, self.images
        if split == "val" and self.val_annotations is not None:
            annotations, images = self.val_annotations, self.val_images or self.images
        folder = (root / annotations).parent if images is None else root / images
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder of images")
        return SplitFiles(folder, root / annotations, is_split)


OWN_COCO_OPTIONS = tuple(field.name for field in fields(OwnCOCO))
