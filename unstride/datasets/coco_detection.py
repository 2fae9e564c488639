"""COCO's objects: 80 classes with boxes and masks. Lin et al., ECCV 2014, arXiv:1405.0312."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.datasets.base import ItemFiles
from unstride.datasets.instances import InstanceDataset
from unstride.formats.coco_masks import decode_mask
from unstride.formats.coco_panoptic import read_categories
from unstride.formats.json import object_list, read_json, typed_field
from unstride.transforms.detection_target import (
    Target,
    detection_target,
)

ANNOTATION_FILES = (
    "annotations/instances_{0}.json",
    "{0}/instances.json",
    "{0}/instances_official.json",
    "{0}/instances_from_panoptic.json",
)


class COCODetection(InstanceDataset):
    """Objects in COCO's instances JSON, or in any JSON of that format.

    `classes` are the file's categories in the order of their numbers, `categories` those numbers:
    label l is `categories[l - 1]`. Photographs without objects are items too.
    """

    splits = ("train", "val")
    layout = (
        "[images/]{train2017,val2017}/*.jpg and annotations/instances_{train2017,val2017}.json, "
        "or {train2017,val2017}/images/*.jpg and {train2017,val2017}/instances.json"
    )

    def find(self) -> Iterator[ItemFiles]:
        """The photographs that the file lists, in the order of their ids."""
        part = f"{self.split}2017"
        images = self.folder(f"{part}/images", f"images/{part}", part)
        self.file = self._file(part)
        document = read_json(self.file)
        known = sorted(read_categories(self.file, document))
        self.classes = tuple(c.name for c in known)
        self.categories = tuple(c.id for c in known)
        entries = {
            typed_field(self.file, e, "id", int): e
            for e in object_list(self.file, document, "images")
        }
        self.image_ids = sorted(entries)
        self.objects = self._objects(document, set(entries))
        for number in self.image_ids:
            path = images / Path(typed_field(self.file, entries[number], "file_name", str)).name
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such photograph, but {self.file} lists it")
            yield path.stem, path, [self.file]

    def target(self, index: int, size: tuple[int, int]) -> Target:
        """The objects, in the order of the file.

        Raises:
            ValueError: if an object's mask or box is damaged.
        """
        number = self.image_ids[index]
        entries = self.objects[number]
        masks = [self._mask(entry, size) for entry in entries]
        boxes = [self._box(entry) for entry in entries]
        return detection_target(
            torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.bool),
            [self.categories.index(entry["category_id"]) + 1 for entry in entries],
            crowds=[bool(entry.get("iscrowd", 0)) for entry in entries],
            image_id=number,
            boxes=torch.stack(boxes) if boxes else None,
        )

    def occupied(self) -> list[int]:
        """The items that have an object, crowds aside."""
        objects = (self.objects[number] for number in self.image_ids)
        return [i for i, each in enumerate(objects) if any(not e.get("iscrowd", 0) for e in each)]

    def _file(self, part: str) -> Path:
        choices = [self.root / name.format(part) for name in ANNOTATION_FILES]
        for path in choices:
            if path.is_file():
                return path
        raise FileNotFoundError(f"{choices[0]}: no such file; expected is {self.layout}")

    def _objects(self, document: dict, images: set[int]) -> dict[int, list[dict[str, Any]]]:
        objects = defaultdict(list)
        for entry in object_list(self.file, document, "annotations"):
            image = typed_field(self.file, entry, "image_id", int)
            category = typed_field(self.file, entry, "category_id", int)
            if image not in images or category not in self.categories:
                what = f"image {image}" if image not in images else f"category {category}"
                raise ValueError(f"{self.file}: an annotation of {what}, which the file lacks")
            objects[image].append(entry)
        return objects

    def _mask(self, entry: dict[str, Any], size: tuple[int, int]) -> Bool[Tensor, "h w"]:
        try:
            return decode_mask(typed_field(self.file, entry, "segmentation", object), size)
        except ValueError as error:
            raise ValueError(f"{self.file}: annotation {entry.get('id')}: {error}") from None

    def _box(self, entry: dict[str, Any]) -> Float[Tensor, "4"]:
        box = typed_field(self.file, entry, "bbox", list)
        if len(box) != 4 or not all(isinstance(v, int | float) for v in box):
            raise ValueError(f"{self.file}: annotation {entry.get('id')}: bbox {box}")
        left, top, width, height = (float(v) for v in box)
        return torch.tensor([left, top, left + width, top + height])
