"""COCO panoptic with classes: a map of segments, and what each segment is."""

from collections.abc import Iterator
from functools import cached_property

from torchvision import tv_tensors

from unstride.datasets.base import ItemFiles, image_files
from unstride.datasets.coco_folders import panoptic_folder
from unstride.datasets.instances import InstanceDataset
from unstride.formats.coco_panoptic import (
    coco_image_ids,
    read_panoptic_json,
    read_segment_ids,
)
from unstride.formats.segments import (
    Category,
    check_segments,
)
from unstride.transforms.detection_target import Target


class COCOPanoptic(InstanceDataset):
    """Photographs with the segment id of every pixel.

    A target has `ids` (Mask "1 h w", int64, 0 is void), `segments` (a list of Segment, of
    `categories`), and `image_id`, see `coco_image_ids`. A transform that cuts a segment away leaves
    it in `segments`; `present` drops it.
    """

    splits = ("train", "val")
    layout = (
        "{train2017,val2017}/{images/ID.jpg,panoptic/ID.png,panoptic.json}, or COCO's own folders "
        "and annotations/panoptic_{train2017,val2017}[.json]"
    )
    categories: tuple[Category, ...]

    def find(self) -> Iterator[ItemFiles]:
        """Photographs and their PNGs."""
        part = f"{self.split}2017"
        labels = panoptic_folder(self, part)
        self.segments, categories = read_panoptic_json(labels.with_suffix(".json"))
        self.categories = tuple(categories)
        self.classes = tuple(c.name for c in categories)
        for image in image_files(self.folder(f"{part}/images", f"images/{part}", part)):
            path = labels / f"{image.stem}.png"
            if path.name not in self.segments:
                file = labels.with_suffix(".json")
                raise ValueError(f"{file}: no annotation of {path.name}, the label of {image}")
            yield image.stem, image, [path]

    @cached_property
    def numbers(self) -> list[int]:
        """Of the photographs."""
        return coco_image_ids(self.names)

    def target(self, index: int, size: tuple[int, int]) -> Target:
        """The map and its segments.

        Raises:
            ValueError: if the PNG is damaged, of another size, or has other segments than the JSON.
        """
        path = self.labels[index][0]
        ids, segments = read_segment_ids(path, size), self.segments[path.name]
        check_segments(ids, segments, str(path))
        return {
            "image_id": self.numbers[index],
            "ids": tv_tensors.Mask(ids[None]),
            "segments": segments,
        }
