"""Finds an object in what `unstride predict` wrote: the mask of a category in an image."""

from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from unstride.formats.coco_masks import decode_mask
from unstride.formats.coco_panoptic import read_categories, read_segment_ids
from unstride.formats.json import read_json
from unstride.inference.records import FOLDER

DOCUMENTS = "panoptic.json", "images.json"  # of panoptic predictions and of detections


def prediction_record(folder: Path, stem: str) -> Path:
    """The record of an image's prediction.

    Args:
        folder: output folder of `unstride predict`.
        stem: name of the image without suffix.

    Raises:
        ValueError: if there is none.
    """
    record = folder / FOLDER / f"{stem}.json"
    if not record.is_file():
        raise ValueError(f"{folder} has no record of {stem}; write it with unstride predict")
    return record


def predicted_object(
    folder: Path, stem: str, size: tuple[int, int], category: str, min_score: float = 0.5
) -> Bool[Tensor, "h w"]:
    """The pixels of all objects of a category that were predicted in an image.

    Args:
        folder: output folder of `unstride predict`, with a panoptic network or one for instances.
        stem: name of the image without suffix.
        size: rows and columns of the image.
        category: name of the category.
        min_score: lowest score of a detection.

    Raises:
        ValueError: if the folder holds no such prediction, or none of that category.
    """
    document = next((folder / name for name in DOCUMENTS if (folder / name).is_file()), None)
    if document is None:
        raise ValueError(f"{folder} has neither {' nor '.join(DOCUMENTS)} of unstride predict")
    categories = {c.name: c.id for c in read_categories(document, read_json(document))}
    if category not in categories:
        raise ValueError(f"category must be one of {', '.join(categories)}, got {category!r}")
    found = read_json(prediction_record(folder, stem))["found"]
    wanted = categories[category]
    mask = torch.zeros(size, dtype=torch.bool)
    if "segments_info" in found:
        ids = read_segment_ids(folder / "panoptic" / f"{stem}.png", size)
        for segment in found["segments_info"]:
            if segment["category_id"] == wanted:
                mask |= ids == segment["id"]
    for detection in found.get("detections", []):
        if detection["category_id"] == wanted and detection["score"] >= min_score:
            if "segmentation" not in detection:
                raise ValueError(f"{folder}: detections must have masks, got boxes alone")
            mask |= decode_mask(detection["segmentation"], size)
    if not mask.any():
        raise ValueError(f"{folder}: no {category} was predicted in {stem}")
    return mask
