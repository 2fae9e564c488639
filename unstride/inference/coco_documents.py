"""What was found in each of many images, in the files that COCO's evaluations read."""

from collections.abc import Sequence
from typing import Any

from unstride.formats.coco_panoptic import coco_image_ids, panoptic_json
from unstride.inference.predictors import TaskModel


def coco_documents(
    model: TaskModel, names: Sequence[str], files: Sequence[str], records: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The content of each JSON file, by its name; none of tasks for which COCO has no file.

    `detections.json` is a list of results, whose images and categories are in `images.json`;
    `panoptic.json` speaks of the PNGs in panoptic/.

    Args:
        model: whose task and categories they are of.
        names: of the images, without suffix.
        files: their names with suffix.
        records: what was found in each, and its `height` and `width`.
    """
    numbers = coco_image_ids(names)
    images = [
        {"id": number, "file_name": file, "height": told["height"], "width": told["width"]}
        for number, file, told in zip(numbers, files, records, strict=True)
    ]
    each = list(zip(numbers, names, [told["found"] for told in records], strict=True))
    if model.described["task"] == "detection":
        found = [
            entry | {"image_id": number} for number, _, told in each for entry in told["detections"]
        ]
        described = panoptic_json(images, [], model.categories)
        return {"detections.json": found, "images.json": described}
    if model.described["task"] == "panoptic":
        annotations = [
            {"image_id": number, "file_name": f"{name}.png", **told} for number, name, told in each
        ]
        return {"panoptic.json": panoptic_json(images, annotations, model.categories)}
    return {}
