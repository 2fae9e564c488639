"""COCO's results format: a JSON list of detections, which COCO's evaluations read.

https://cocodataset.org/#format-results, sections 1 and 2.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.coco_masks import encode_mask


def write_detections(
    path: str | Path,
    results: Iterable[tuple[int, Mapping[str, Tensor]]],
    categories: Sequence[int],
) -> None:
    """Writes detections as COCO's evaluations read them.

    Args:
        path: of the file, which is replaced.
        results: the id of each image and what a detector found in it: `boxes` (XYXY in pixels),
            `labels` (from 1), `scores`, and `masks` ("n 1 h w" in [0, 1], 1/2 is the edge) if any.
        categories: the file's category number of each label: that of label l is the l-th.

    Raises:
        ValueError: if a label is none of the categories.
    """
    written = [
        entry for number, found in results for entry in detection_records(number, found, categories)
    ]
    atomic_write_text(Path(path), json.dumps(written))


def detection_records(
    image_id: int, found: Mapping[str, Tensor], categories: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The detections of one image, one by one; arguments as in `write_detections`."""
    boxes, labels, scores = (found[name].tolist() for name in ("boxes", "labels", "scores"))
    for i, (box, label, score) in enumerate(zip(boxes, labels, scores, strict=True)):
        if not 1 <= label <= len(categories):
            raise ValueError(f"image {image_id}: label {label}, there are 1 to {len(categories)}")
        left, top, right, bottom = box
        entry = {
            "image_id": image_id,
            "category_id": categories[label - 1],
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        if "masks" in found:
            entry["segmentation"] = encode_mask(found["masks"][i, 0] >= 0.5)
        yield entry
