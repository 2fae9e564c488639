"""BSDS500: photographs that several people divided into segments. Arbelaez et al., PAMI 2011."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.datasets.base import ItemFiles, LabelledDataset, image_files
from unstride.formats.labels import load_labels


class BSDS(LabelledDataset):
    """BSDS500 with one PNG of region ids for each annotator; every pixel belongs to a region."""

    layout = "{train,val,test}/images/ID.jpg and segments/ID_K.png, K the annotator"

    def find(self) -> Iterator[ItemFiles]:
        """Photographs and the segmentations of all their annotators, in the order of K."""
        images = self.folder(f"{self.split}/images")
        segments: dict[str, list[Path]] = defaultdict(list)
        for path in image_files(self.folder(f"{self.split}/segments"), "*_*.png"):
            segments[path.stem.rpartition("_")[0]].append(path)
        for image in image_files(images):
            found = sorted(segments[image.stem], key=lambda p: (len(p.stem), p.stem))
            missing = images.parent / "segments" / f"{image.stem}_0.png"
            yield image.stem, image, found or [missing]

    def read(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "n h w"]:
        """Region ids from 0, one map for each annotator; the files count from 1.

        Raises:
            ValueError: if a pixel belongs to no region.
        """
        ids = [load_labels(path, size) - 1 for path in self.labels[index]]
        for path, regions in zip(self.labels[index], ids, strict=True):
            if regions.min() < 0:
                raise ValueError(f"{path}: region 0; the regions of BSDS count from 1")
        return torch.stack(ids)
