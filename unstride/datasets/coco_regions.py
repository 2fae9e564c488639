"""COCO panoptic without classes: each object or area of stuff is a region.

Kirillov et al., "Panoptic Segmentation", CVPR 2019, arXiv:1801.00868.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.datasets.base import ItemFiles, LabelledDataset, image_files
from unstride.datasets.coco_folders import image_folder, panoptic_folder
from unstride.formats.coco_panoptic import read_segment_ids


class COCORegions(LabelledDataset):
    """Segments of COCO's panoptic PNGs. Pixels of no segment are -1."""

    splits = ("train", "val")
    layout = "{train2017,val2017}/images/ID.jpg and panoptic/ID.png, or COCO's own folders"

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and its PNG."""
        coco_split = f"{self.split}2017"
        labels = panoptic_folder(self, coco_split)
        for image in image_files(image_folder(self, coco_split)):
            yield ItemFiles(image.stem, image, [labels / f"{image.stem}.png"])

    def read_labels(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "1 h w"]:
        """Read region ids, renumbered from 0; -1 where there is no segment.

        In the file, a segment's id is R + 256 G + 65536 B.

        Raises:
            ValueError: if the file is not RGB, or of another size than the image.
        """
        ids = read_segment_ids(self.label_paths[index][0], size)
        # A leading 0 makes sure that void is there, so that it always gets the first number.
        with_void = torch.cat([torch.zeros(1, dtype=torch.int64), ids.flatten()])
        _, regions = with_void.unique(return_inverse=True)
        return (regions[1:] - 1).view(1, *size)
