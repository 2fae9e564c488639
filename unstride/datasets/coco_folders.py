"""TODO."""

from pathlib import Path

from unstride.datasets.base import LabelledDataset


def panoptic_folder(dataset: LabelledDataset, part: str) -> Path:
    """The folder of a part's PNGs, such as train2017: COCO's own, or one beside the photographs."""
    return dataset.folder(f"annotations/panoptic_{part}", f"{part}/panoptic")
