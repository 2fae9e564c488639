"""Writes COCO's results format: a JSON list of detections, as COCO's evaluations read it.

https://cocodataset.org/#format-results, sections 1 and 2.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.coco_masks import encode_mask

MASK_THRESHOLD = 0.5  # pixels of a soft mask that reach it are inside


def write_detections(
    path: str | Path,
    detections: Iterable[tuple[int, Mapping[str, Tensor]]],
    category_ids: Sequence[int],
) -> None:
    """Write detections for COCO's evaluations.

    Args:
        path: output file. Replaced if it exists.
        detections: the id of each image and its detections: `boxes` (XYXY in pixels), `labels`
            (from 1), `scores`, and optionally `masks` ("n 1 h w" in [0, 1], edge at 1/2).
        category_ids: COCO's category id of each label; label l has the l-th.

    Raises:
        ValueError: if a label has no category id.
    """
    records = [
        record
        for image_id, of_image in detections
        for record in detection_records(image_id, of_image, category_ids)
    ]
    atomic_write_text(Path(path), json.dumps(records))


def detection_records(
    image_id: int, detections: Mapping[str, Tensor], category_ids: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Yield the JSON record of each detection in one image; arguments as in `write_detections`."""
    boxes, labels, scores = (detections[name].tolist() for name in ("boxes", "labels", "scores"))
    for i, (box, label, score) in enumerate(zip(boxes, labels, scores, strict=True)):
        if not 1 <= label <= len(category_ids):
            raise ValueError(
                f"image {image_id}: labels must be in 1..{len(category_ids)}, got {label}"
            )
        left, top, right, bottom = box
        record = {
            "image_id": image_id,
            "category_id": category_ids[label - 1],
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        if "masks" in detections:
            record["segmentation"] = encode_mask(detections["masks"][i, 0] >= MASK_THRESHOLD)
        yield record
