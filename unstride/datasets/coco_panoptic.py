"""COCO panoptic with classes: a map of segments, and what each segment is."""

from collections.abc import Iterator
from functools import cached_property

from torchvision import tv_tensors

from unstride.datasets.base import Item, photographs
from unstride.datasets.coco_folders import panoptic_labels
from unstride.datasets.instances import Instances
from unstride.formats.coco_panoptic import (
    image_numbers,
    read_ids,
    read_segments,
)
from unstride.formats.segments import (
    Category,
    check_segments,
)
from unstride.transforms.detection_target import Target


class COCOPanopticObjects(Instances):
    """Photographs with the segment id of every pixel.

    A target has `ids` (Mask "1 h w", int64, 0 is void), `segments` (a list of Segment, of
    `categories`), and `image_id`, see `image_numbers`. A transform that cuts a segment away leaves
    it in `segments`; `present` drops it.
    """

    splits = ("train", "val")
    layout = (
        "{train2017,val2017}/{images/ID.jpg,panoptic/ID.png,panoptic.json}, or COCO's own folders "
        "and annotations/panoptic_{train2017,val2017}[.json]"
    )
    categories: tuple[Category, ...]

    def find(self) -> Iterator[Item]:
        """Photographs and their PNGs."""
        part = f"{self.split}2017"
        labels = panoptic_labels(self, part)
        self.segments, categories = read_segments(labels.with_suffix(".json"))
        self.categories = tuple(categories)
        self.classes = tuple(c.name for c in categories)
        for image in photographs(self.folder(f"{part}/images", f"images/{part}", part)):
            path = labels / f"{image.stem}.png"
            if path.name not in self.segments:
                file = labels.with_suffix(".json")
                raise ValueError(f"{file}: no annotation of {path.name}, the label of {image}")
            yield image.stem, image, [path]

    @cached_property
    def numbers(self) -> list[int]:
        """Of the photographs."""
        return image_numbers(self.names)

    def target(self, index: int, size: tuple[int, int]) -> Target:
        """The map and its segments.

        Raises:
            ValueError: if the PNG is damaged, of another size, or has other segments than the JSON.
        """
        path = self.labels[index][0]
        ids, segments = read_ids(path, size), self.segments[path.name]
        check_segments(ids, segments, str(path))
        return {
            "image_id": self.numbers[index],
            "ids": tv_tensors.Mask(ids[None]),
            "segments": segments,
        }
