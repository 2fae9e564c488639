"""Penn-Fudan: pedestrians in streets, one mask each. Wang, Shi, Song, Shen, ACCV 2007."""

from collections.abc import Iterator

import torch

from unstride.datasets.base import ItemFiles, image_files
from unstride.datasets.instances import InstanceDataset
from unstride.formats.labels import load_labels
from unstride.transforms.detection_target import Target, detection_target

SPLIT_OF_REMAINDER = {0: "test", 1: "val"}  # of an image's index divided by 5; the rest is `train`


class PennFudan(InstanceDataset):
    """Pedestrians. There is no official split.

    Of the sorted images, every fifth starting with the first is `test`, every fifth starting with
    the second is `val`, and the others are `train`.
    """

    classes = ("pedestrian",)
    category_ids = (1,)
    layout = "images/NAME.jpg and masks/NAME.png, or PNGImages/NAME.png and PedMasks/NAME_mask.png"

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and the PNG with the ids of its pedestrians."""
        images = self.find_folder("images", "PNGImages")
        masks = self.find_folder("masks", "PedMasks")
        suffix = "_mask.png" if masks.name == "PedMasks" else ".png"
        for index, image in enumerate(image_files(images)):
            if SPLIT_OF_REMAINDER.get(index % 5, "train") == self.split:
                yield ItemFiles(image.stem, image, [masks / f"{image.stem}{suffix}"])

    def read_target(self, index: int, size: tuple[int, int]) -> Target:
        """Read the pedestrians, in the order of their ids in the file."""
        id_map = load_labels(self.label_paths[index][0], size)
        ids = torch.tensor([n for n in id_map.unique().tolist() if n > 0], dtype=torch.int64)
        masks = id_map == ids[:, None, None]
        count = len(ids)
        return detection_target(masks, [1] * count, is_crowd=[False] * count, image_id=index)

    def indices_with_objects(self) -> list[int]:
        """Return the indices of items with a pedestrian; reads all masks.

        Raises:
            ValueError: if a mask is damaged.
        """
        return [i for i, paths in enumerate(self.label_paths) if load_labels(paths[0]).any()]
