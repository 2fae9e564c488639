"""Penn-Fudan: pedestrians in streets, a mask each. Wang, Shi, Song, Shen, ACCV 2007."""

from collections.abc import Iterator

import torch

from unstride.datasets.base import ItemFiles, image_files
from unstride.datasets.instances import InstanceDataset
from unstride.formats.labels import load_labels
from unstride.transforms.detection_target import (
    Target,
    detection_target,
)


class PennFudan(InstanceDataset):
    """Pedestrians; there is no official split.

    Of the sorted photographs every fifth, from the first, is `test`, every fifth from the second
    is `val`, and the others are `train`.
    """

    classes = ("pedestrian",)
    categories = (1,)
    layout = "images/NAME.jpg and masks/NAME.png, or PNGImages/NAME.png and PedMasks/NAME_mask.png"

    def find(self) -> Iterator[ItemFiles]:
        """Photographs and the PNG of their pedestrians' numbers."""
        images, masks = self.folder("images", "PNGImages"), self.folder("masks", "PedMasks")
        suffix = "_mask.png" if masks.name == "PedMasks" else ".png"
        parts = {0: "test", 1: "val"}
        for place, image in enumerate(image_files(images)):
            if parts.get(place % 5, "train") == self.split:
                yield image.stem, image, [masks / f"{image.stem}{suffix}"]

    def target(self, index: int, size: tuple[int, int]) -> Target:
        """The pedestrians, in the order of their numbers in the file."""
        numbers = load_labels(self.labels[index][0], size)
        each = torch.tensor([n for n in numbers.unique().tolist() if n > 0], dtype=torch.int64)
        masks = numbers == each[:, None, None]
        people = len(each)
        return detection_target(masks, [1] * people, crowds=[False] * people, image_id=index)
