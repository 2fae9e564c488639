"""A user's own boxes: Pascal VOC's XML files and YOLO's text files, one for each image."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import torch

from unstride.datasets.instances import InstanceDataset
from unstride.datasets.own_folders import CLASS_FILE, OwnFolders
from unstride.formats.class_masks import class_names
from unstride.formats.voc_xml import read_voc_xml
from unstride.formats.yolo_boxes import read_yolo_boxes
from unstride.transforms.detection_target import Target, box_target

YOLO_CLASS_FILES = ("data.yaml", "data.yml", CLASS_FILE, "classes.yaml", f"labels/{CLASS_FILE}")


class LabelledBox(NamedTuple):
    """An object: its label from 1, its box (XYXY in pixels), and whether it is a crowd."""

    label: int
    box: tuple[float, float, float, float]
    is_crowd: bool = False


class OwnBoxes(OwnFolders, InstanceDataset):
    """Images with boxes, without masks. A subclass reads the boxes of a label file."""

    def __init__(self, root: str | Path, split: str, **options: Any):
        super().__init__(root, split, **options)
        self.missing_mask = f"{root}: an object"

    @property
    def category_ids(self) -> tuple[int, ...]:
        """The id of each class in result files: its label."""
        return tuple(range(1, len(self.classes) + 1))

    @abstractmethod
    def read_boxes(self, index: int, size: tuple[int, int] | None = None) -> list[LabelledBox]:
        """Read the objects of an item; without the (height, width) of its image, in any unit."""

    def read_target(self, index: int, size: tuple[int, int]) -> Target:
        """Read the target of an item.

        Raises:
            ValueError: if the label file is damaged, or has a class that there is not.
        """
        objects = self.read_boxes(index, size)
        return box_target(
            torch.tensor([o.box for o in objects]).view(-1, 4), [o.label for o in objects],
            is_crowd=[o.is_crowd for o in objects], image_id=index, size=size,
        )  # fmt: skip

    def indices_with_objects(self) -> list[int]:
        """Return the indices of items with at least one object; reads all label files."""
        return [
            index
            for index in range(len(self))
            if any(
                not is_crowd and left < right and top < bottom
                for _, (left, top, right, bottom), is_crowd in self.read_boxes(index)
            )
        ]


class VOCBoxes(OwnBoxes):
    """Objects in Pascal VOC's XML files. Difficult ones are crowds: ignored, as in VOC's scores.

    The classes are those of `classes.txt`, or all names in the files of all splits, sorted. Splits
    may be lists in `ImageSets/Main`.
    """

    layout = "{JPEGImages,Annotations}, or [{train,val}/]{images,annotations}, with NAME.xml"
    image_folders = ("JPEGImages", "images")
    label_folders = ("Annotations", "annotations")
    label_suffixes = (".xml",)

    def __init__(self, root: str | Path, split: str, **options: Any):
        super().__init__(root, split, **options)
        self.classes = self._names()

    def list_folder(self) -> Path:
        """VOC's folder of lists, where there is one."""
        folder = self.root / "ImageSets" / "Main"
        return folder if folder.is_dir() else self.root

    def read_boxes(self, index: int, size: tuple[int, int] | None = None) -> list[LabelledBox]:
        """Read the objects of an item.

        Raises:
            ValueError: if the file is damaged, is of an image of another size, or has an object of
                another class.
        """
        path = self.label_paths[index][0]
        annotation = read_voc_xml(path)
        if size is not None and annotation.size not in (None, size):
            raise ValueError(
                f"{path}: for an image of {annotation.size[1]} x {annotation.size[0]} pixels, "
                f"but its image has {size[1]} x {size[0]}"
            )
        unknown = [o.name for o in annotation.objects if o.name not in self.classes]
        if unknown:
            raise ValueError(f"{path}: {unknown[0]!r} is not in the list of classes")
        return [
            LabelledBox(self.classes.index(o.name) + 1, o.box, o.is_difficult)
            for o in annotation.objects
        ]

    def _names(self) -> tuple[str, ...]:
        if (self.root / CLASS_FILE).is_file():
            return class_names(self.read_classes((CLASS_FILE,)))
        files = [
            path
            for folder in self.label_folders
            for place in (f"{folder}/*.xml", f"*/{folder}/*.xml", f"{folder}/*/*.xml")
            for path in self.root.glob(place)
        ]
        return tuple(sorted({o.name for path in files for o in read_voc_xml(path).objects}))


class YOLOBoxes(OwnBoxes):
    """Objects in YOLO's text files, with the classes of `data.yaml` or `classes.txt`.

    An image without a text file has no objects.
    """

    layout = "[{train,val}/]{images,labels}, or {images,labels}/{train,val}, and data.yaml"
    label_folders = ("labels",)
    label_suffixes = (".txt",)
    is_label_optional = True

    def __init__(self, root: str | Path, split: str, **options: Any):
        super().__init__(root, split, **options)
        self.listed_classes = self.read_classes(YOLO_CLASS_FILES)
        self.classes = tuple(c.name for c in self.listed_classes)

    def read_boxes(self, index: int, size: tuple[int, int] | None = None) -> list[LabelledBox]:
        """Read the objects of an item; without a size in shares of the image.

        Raises:
            ValueError: if the file is damaged, or has a number that is not a class.
        """
        height, width = size or (1, 1)
        numbers = [c.number for c in self.listed_classes]
        objects = []
        for path in self.label_paths[index]:
            for number, (left, top, right, bottom) in read_yolo_boxes(path):
                if number not in numbers:
                    raise ValueError(f"{path}: {number} is not in the list of classes")
                box = left * width, top * height, right * width, bottom * height
                objects.append(LabelledBox(numbers.index(number) + 1, box))
        return objects
