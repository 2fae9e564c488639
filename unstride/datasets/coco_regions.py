"""COCO panoptic: every thing and every patch of stuff a segment. Kirillov et al., CVPR 2019."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.datasets.base import ItemFiles, LabelledDataset, image_files
from unstride.datasets.coco_folders import panoptic_folder
from unstride.formats.coco_panoptic import read_segment_ids


class COCORegions(LabelledDataset):
    """Segments of COCO's panoptic PNGs; a pixel of no segment has -1."""

    splits = ("train", "val")
    layout = "{train2017,val2017}/images/ID.jpg and panoptic/ID.png, or COCO's own folders"

    def find(self) -> Iterator[ItemFiles]:
        """Photographs and their PNGs."""
        split = f"{self.split}2017"
        labels = panoptic_folder(self, split)
        for image in image_files(self.folder(f"{split}/images", f"images/{split}", split)):
            yield image.stem, image, [labels / f"{image.stem}.png"]

    def read(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "1 h w"]:
        """Segment ids, R + 256 G + 65536 B in the file, counted from 0; -1 where there is none.

        Raises:
            ValueError: if the file is not RGB, or of another size than the photograph.
        """
        ids = read_segment_ids(self.labels[index][0], size)
        _, regions = torch.cat([torch.zeros(1, dtype=torch.int64), ids.flatten()]).unique(
            return_inverse=True
        )
        return (regions[1:] - 1).view(1, *size)
