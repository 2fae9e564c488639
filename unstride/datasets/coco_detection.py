"""COCO's objects: 80 classes with boxes and masks. Lin et al., ECCV 2014, arXiv:1405.0312."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision.transforms.v2 import Transform

from unstride.datasets.base import ItemFiles
from unstride.datasets.coco_folders import OWN_COCO_OPTIONS, OwnCOCO, SplitFiles, image_folder
from unstride.datasets.instances import InstanceDataset
from unstride.datasets.random_split import names_in_random_split
from unstride.formats.coco_masks import MAX_COORDINATE, decode_mask
from unstride.formats.coco_panoptic import read_categories
from unstride.formats.json import object_list, read_json, typed_field
from unstride.transforms.detection_target import Target, box_target, detection_target

ANNOTATION_FILES = (
    "annotations/instances_{0}.json",
    "{0}/instances.json",
    "{0}/instances_official.json",
    "{0}/instances_from_panoptic.json",
)


class COCODetection(InstanceDataset):
    """Objects in COCO's instances JSON, or in any JSON of that format.

    `classes` are the file's categories in the order of their ids, `category_ids` are those ids:
    label l is `category_ids[l - 1]`. Images without objects are items too. If an object has no
    `segmentation`, or an empty list of polygons, targets have no masks.

    Args:
        root: folder of the data set.
        split: train or val.
        transforms: see `InstanceDataset`.
        own: arguments of `OwnCOCO`, for one's own data. Default: the folders are those of COCO.

    Raises:
        ValueError: if there is no such split, or the JSON file is damaged.
        FileNotFoundError: if a folder or a file is missing, or there is no image.
    """

    splits = ("train", "val")
    option_names = OWN_COCO_OPTIONS
    layout = (
        "[images/]{train2017,val2017}/*.jpg and annotations/instances_{train2017,val2017}.json, "
        "or {train2017,val2017}/images/*.jpg and {train2017,val2017}/instances.json"
    )

    def __init__(
        self, root: str | Path, split: str, transforms: Transform | None = None, **own: Any
    ):
        self.own = OwnCOCO(**own)
        super().__init__(root, split, transforms)

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the images that the annotation file lists, in the order of their ids.

        Raises:
            FileNotFoundError: if an image of the list is missing.
        """
        files = self.own.files(self.root, self.split) or self._files_of_coco()
        self.annotation_file = files.annotations
        content = read_json(self.annotation_file)
        categories = sorted(read_categories(self.annotation_file, content))
        self.classes = tuple(c.name for c in categories)
        self.category_ids = tuple(c.id for c in categories)
        self.records = {
            typed_field(self.annotation_file, record, "id", int): record
            for record in object_list(self.annotation_file, content, "images")
        }
        file_names = {
            image_id: typed_field(self.annotation_file, record, "file_name", str)
            for image_id, record in self.records.items()
        }
        self.annotations = self._annotations_by_image(content, set(file_names))
        if not files.is_split:
            chosen = names_in_random_split(
                self.split, list(file_names.values()), self.own.val_share, self.own.split_seed
            )
            file_names = {i: name for i, name in file_names.items() if name in chosen}
        self.image_ids = sorted(file_names)
        for image_id in self.image_ids:
            path = self._find_image(files.images, file_names[image_id])
            yield ItemFiles(path.stem, path, [self.annotation_file])

    def read_target(self, index: int, size: tuple[int, int]) -> Target:
        """Read the objects, in the order of the file.

        Raises:
            ValueError: if an object's mask or box is damaged, or the image has another size than
                the file says.
        """
        image_id = self.image_ids[index]
        self._check_size(image_id, size)
        annotations = self.annotations[image_id]
        boxes = [self._read_box(annotation) for annotation in annotations]
        stacked = torch.stack(boxes) if boxes else torch.zeros(0, 4)
        labels = [self.category_ids.index(a["category_id"]) + 1 for a in annotations]
        is_crowd = [bool(a.get("iscrowd", 0)) for a in annotations]
        if self.missing_mask:
            return box_target(stacked, labels, is_crowd=is_crowd, image_id=image_id, size=size)
        masks = [self._read_mask(annotation, size) for annotation in annotations]
        return detection_target(
            torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.bool),
            labels, is_crowd=is_crowd, image_id=image_id, boxes=stacked,
        )  # fmt: skip

    def indices_with_objects(self) -> list[int]:
        """Return the indices of items with at least one object that has an area and is no crowd."""
        by_index = [self.annotations[image_id] for image_id in self.image_ids]
        return [
            i
            for i, annotations in enumerate(by_index)
            if any(not a.get("iscrowd", 0) and _has_area(a) for a in annotations)
        ]

    def _files_of_coco(self) -> SplitFiles:
        """The files in the folders of COCO itself."""
        coco_split = f"{self.split}2017"
        images = image_folder(self, coco_split)
        candidates = [self.root / name.format(coco_split) for name in ANNOTATION_FILES]
        for path in candidates:
            if path.is_file():
                return SplitFiles(images, path, is_split=True)
        raise FileNotFoundError(f"{candidates[0]}: no such file; expected layout: {self.layout}")

    def _find_image(self, folder: Path, file_name: str) -> Path:
        """The file of an image, in the folder or in the folder below it that the name has."""
        below, beside = folder / file_name, folder / Path(file_name).name
        path = below if below.is_file() and folder in below.parents else beside
        if not path.is_file() or ".." in below.parts:
            raise FileNotFoundError(f"{beside}: no such image, but {self.annotation_file} lists it")
        return path

    def _check_size(self, image_id: int, size: tuple[int, int]) -> None:
        record = self.records[image_id]
        listed = record.get("height", size[0]), record.get("width", size[1])
        if listed != tuple(size):
            raise ValueError(
                f"{self.annotation_file}: image {image_id} is listed with {listed[1]} x "
                f"{listed[0]} pixels, but it has {size[1]} x {size[0]}"
            )

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
            if not annotation.get("segmentation") and self.missing_mask is None:
                self.missing_mask = f"{file}: annotation {annotation.get('id')}"
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
