"""Collects the predictions for many images in the JSON files that COCO's evaluations read."""

from collections.abc import Sequence
from typing import Any

from unstride.formats.coco_panoptic import coco_image_ids, panoptic_json
from unstride.inference.predictors import TaskModel


def coco_documents(
    model: TaskModel,
    stems: Sequence[str],
    file_names: Sequence[str],
    records: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """The content of each JSON file, by file name; empty for tasks without a COCO file.

    `detections.json` is a list of results, whose images and categories are in `images.json`.
    `panoptic.json` refers to the PNG files in panoptic/.

    Args:
        model: gives the task and the categories.
        stems: file names of the images, without suffix.
        file_names: file names of the images, with suffix.
        records: the record of each image: `found`, `height` and `width`.
    """
    image_ids = coco_image_ids(stems)
    images = [
        {"id": image_id, "file_name": name, "height": record["height"], "width": record["width"]}
        for image_id, name, record in zip(image_ids, file_names, records, strict=True)
    ]
    summaries = [record["found"] for record in records]
    if model.config["task"] == "detection":
        detections = [
            detection | {"image_id": image_id}
            for image_id, summary in zip(image_ids, summaries, strict=True)
            for detection in summary["detections"]
        ]
        document = panoptic_json(images, [], model.categories)
        return {"detections.json": detections, "images.json": document}
    if model.config["task"] == "panoptic":
        annotations = [
            {"image_id": image_id, "file_name": f"{stem}.png", **summary}
            for image_id, stem, summary in zip(image_ids, stems, summaries, strict=True)
        ]
        return {"panoptic.json": panoptic_json(images, annotations, model.categories)}
    return {}
