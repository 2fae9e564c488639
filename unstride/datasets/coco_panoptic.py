"""COCO panoptic with classes: a map of segment ids, and the category of each segment."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from unstride.datasets.base import ItemFiles, image_files
from unstride.datasets.coco_folders import (
    OWN_COCO_OPTIONS,
    OwnCOCO,
    SplitFiles,
    image_folder,
    panoptic_folder,
)
from unstride.datasets.instances import InstanceDataset
from unstride.datasets.random_split import names_in_random_split
from unstride.formats.coco_panoptic import coco_image_ids, read_panoptic_json, read_segment_ids
from unstride.formats.segments import Category, check_segments
from unstride.transforms.detection_target import Target


class COCOPanoptic(InstanceDataset):
    """Images with the segment id of every pixel.

    A target has `ids` (Mask "1 h w", int64, 0 is void), `segments` (a list of Segment, whose
    categories are in `categories`), and `image_id`, see `coco_image_ids`. A transform that crops a
    segment away leaves it in `segments`; `visible_segments` drops it.

    Args:
        root: folder of the data set.
        split: train or val.
        transforms: see `InstanceDataset`.
        own: arguments of `OwnCOCO`, for one's own data; the PNGs lie in the folder beside
            NAME.json that is called NAME. Default: the folders are those of COCO.

    Raises:
        ValueError: if there is no such split, or the JSON file is damaged.
        FileNotFoundError: if a folder or a file is missing, or there is no image.
    """

    splits = ("train", "val")
    option_names = OWN_COCO_OPTIONS
    layout = (
        "{train2017,val2017}/{images/ID.jpg,panoptic/ID.png,panoptic.json}, or COCO's own folders "
        "and annotations/panoptic_{train2017,val2017}[.json]"
    )
    labelled_part = "a segment"
    categories: tuple[Category, ...]

    def __init__(
        self, root: str | Path, split: str, transforms: Transform | None = None, **own: Any
    ):
        self.own = OwnCOCO(**own)
        super().__init__(root, split, transforms)

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and its PNG.

        Raises:
            ValueError: if the JSON has no annotation of an image.
        """
        files = self.own.files(self.root, self.split) or self._files_of_coco()
        labels = files.annotations.with_suffix("")
        self.segments_of_file, categories = read_panoptic_json(files.annotations)
        self.categories = tuple(categories)
        self.classes = tuple(c.name for c in categories)
        images = image_files(files.images)
        if not files.is_split:
            chosen = names_in_random_split(
                self.split, [p.name for p in images], self.own.val_share, self.own.split_seed
            )
            images = [path for path in images if path.name in chosen]
        for image in images:
            path = labels / f"{image.stem}.png"
            if path.name not in self.segments_of_file:
                raise ValueError(
                    f"{files.annotations}: no annotation for {path.name}, the label map of {image}"
                )
            yield ItemFiles(image.stem, image, [path])

    def _files_of_coco(self) -> SplitFiles:
        """The files in the folders of COCO itself."""
        coco_split = f"{self.split}2017"
        annotations = panoptic_folder(self, coco_split).with_suffix(".json")
        return SplitFiles(image_folder(self, coco_split), annotations, is_split=True)

    @cached_property
    def image_ids(self) -> list[int]:
        """The id of each image, see `coco_image_ids`."""
        return coco_image_ids(self.names)

    def read_target(self, index: int, size: tuple[int, int]) -> Target:
        """Read the map and its segments.

        Raises:
            ValueError: if the PNG is damaged, of another size, or has other segments than the JSON.
        """
        path = self.label_paths[index][0]
        ids, segments = read_segment_ids(path, size), self.segments_of_file[path.name]
        check_segments(ids, segments, str(path))
        return {
            "image_id": self.image_ids[index],
            "ids": tv_tensors.Mask(ids[None]),
            "segments": segments,
        }

    def indices_with_objects(self) -> list[int]:
        """Return the indices of items with at least one segment, of a thing or of stuff."""
        names = [paths[0].name for paths in self.label_paths]
        return [i for i, name in enumerate(names) if self.segments_of_file[name]]
