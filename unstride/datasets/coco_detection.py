"""COCO's objects: 80 classes with boxes and masks. Lin et al., ECCV 2014, arXiv:1405.0312."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.datasets.base import ItemFiles
from unstride.datasets.coco_folders import image_folder
from unstride.datasets.instances import InstanceDataset
from unstride.formats.coco_masks import MAX_COORDINATE, decode_mask
from unstride.formats.coco_panoptic import read_categories
from unstride.formats.json import object_list, read_json, typed_field
from unstride.transforms.detection_target import Target, detection_target

ANNOTATION_FILES = (
    "annotations/instances_{0}.json",
    "{0}/instances.json",
    "{0}/instances_official.json",
    "{0}/instances_from_panoptic.json",
)


class COCODetection(InstanceDataset):
    """Objects in COCO's instances JSON, or in any JSON of that format.

    `classes` are the file's categories in the order of their ids, `category_ids` are those ids:
    label l is `category_ids[l - 1]`. Images without objects are items too.
    """

    splits = ("train", "val")
    layout = (
        "[images/]{train2017,val2017}/*.jpg and annotations/instances_{train2017,val2017}.json, "
        "or {train2017,val2017}/images/*.jpg and {train2017,val2017}/instances.json"
    )

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the images that the annotation file lists, in the order of their ids.

        Raises:
            FileNotFoundError: if an image of the list is missing.
        """
        coco_split = f"{self.split}2017"
        images = image_folder(self, coco_split)
        self.annotation_file = self._find_annotation_file(coco_split)
        content = read_json(self.annotation_file)
        categories = sorted(read_categories(self.annotation_file, content))
        self.classes = tuple(c.name for c in categories)
        self.category_ids = tuple(c.id for c in categories)
        records = {
            typed_field(self.annotation_file, record, "id", int): record
            for record in object_list(self.annotation_file, content, "images")
        }
        self.image_ids = sorted(records)
        self.annotations = self._annotations_by_image(content, set(records))
        for image_id in self.image_ids:
            file_name = typed_field(self.annotation_file, records[image_id], "file_name", str)
            path = images / Path(file_name).name
            if not path.is_file():
                raise FileNotFoundError(
                    f"{path}: no such image, but {self.annotation_file} lists it"
                )
            yield ItemFiles(path.stem, path, [self.annotation_file])

    def read_target(self, index: int, size: tuple[int, int]) -> Target:
        """Read the objects, in the order of the file.

        Raises:
            ValueError: if an object's mask or box is damaged.
        """
        image_id = self.image_ids[index]
        annotations = self.annotations[image_id]
        masks = [self._read_mask(annotation, size) for annotation in annotations]
        boxes = [self._read_box(annotation) for annotation in annotations]
        return detection_target(
            torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.bool),
            [self.category_ids.index(a["category_id"]) + 1 for a in annotations],
            is_crowd=[bool(a.get("iscrowd", 0)) for a in annotations],
            image_id=image_id,
            boxes=torch.stack(boxes) if boxes else None,
        )

    def indices_with_objects(self) -> list[int]:
        """Return the indices of items with at least one object that has an area and is no crowd."""
        by_index = [self.annotations[image_id] for image_id in self.image_ids]
        return [
            i
            for i, annotations in enumerate(by_index)
            if any(not a.get("iscrowd", 0) and _has_area(a) for a in annotations)
        ]

    def _find_annotation_file(self, coco_split: str) -> Path:
        candidates = [self.root / name.format(coco_split) for name in ANNOTATION_FILES]
        for path in candidates:
            if path.is_file():
                return path
        raise FileNotFoundError(f"{candidates[0]}: no such file; expected layout: {self.layout}")

    def _annotations_by_image(
        self, content: dict, image_ids: set[int]
    ) -> dict[int, list[dict[str, Any]]]:
        file = self.annotation_file
        by_image = defaultdict(list)
        for annotation in object_list(file, content, "annotations"):
            image_id = typed_field(file, annotation, "image_id", int)
            category_id = typed_field(file, annotation, "category_id", int)
            if image_id not in image_ids:
                raise ValueError(f"{file}: an annotation has the unknown image_id {image_id}")
            if category_id not in self.category_ids:
                raise ValueError(f"{file}: an annotation has the unknown category_id {category_id}")
            by_image[image_id].append(annotation)
        return by_image

    def _read_mask(self, annotation: dict[str, Any], size: tuple[int, int]) -> Bool[Tensor, "h w"]:
        try:
            segmentation = typed_field(self.annotation_file, annotation, "segmentation", object)
            return decode_mask(segmentation, size)
        except ValueError as error:
            raise ValueError(
                f"{self.annotation_file}: annotation {annotation.get('id')}: {error}"
            ) from None

    def _read_box(self, annotation: dict[str, Any]) -> Float[Tensor, "4"]:
        box = typed_field(self.annotation_file, annotation, "bbox", list)
        if len(box) != 4 or not all(_is_coordinate(v) for v in box):
            raise ValueError(
                f"{self.annotation_file}: annotation {annotation.get('id')}: "
                f"bbox must be 4 numbers, got {box}"
            )
        left, top, width, height = (float(v) for v in box)
        return torch.tensor([left, top, left + width, top + height])


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < MAX_COORDINATE


def _has_area(annotation: dict[str, Any]) -> bool:
    """Whether a box has an area. True if it is damaged, which `read_target` reports."""
    match annotation.get("bbox"):
        case [_, _, (int() | float()) as width, (int() | float()) as height]:
            return width > 0 and height > 0
    return True
