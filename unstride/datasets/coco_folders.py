"""Finds the folders of COCO's images and panoptic PNGs."""

from pathlib import Path

from unstride.datasets.base import ImageDataset


def image_folder(dataset: ImageDataset, coco_split: str) -> Path:
    """Return the folder of images of a COCO split such as train2017."""
    return dataset.find_folder(f"{coco_split}/images", f"images/{coco_split}", coco_split)


def panoptic_folder(dataset: ImageDataset, coco_split: str) -> Path:
    """Return the folder of panoptic PNGs: COCO's own, or one beside the images."""
    return dataset.find_folder(f"annotations/panoptic_{coco_split}", f"{coco_split}/panoptic")
