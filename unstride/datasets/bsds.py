"""BSDS500: images that several people divided into segments. Arbelaez et al., PAMI 2011."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.datasets.base import ItemFiles, LabelledDataset, image_files
from unstride.formats.labels import load_labels


class BSDS(LabelledDataset):
    """BSDS500 with one PNG of region ids per annotator. Every pixel belongs to a region."""

    layout = "{train,val,test}/images/ID.jpg and segments/ID_K.png, K the annotator"

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and the segmentations of all its annotators, in the order of K."""
        images = self.find_folder(f"{self.split}/images")
        segmentations: dict[str, list[Path]] = defaultdict(list)
        for path in image_files(self.find_folder(f"{self.split}/segments"), "*_*.png"):
            segmentations[path.stem.rpartition("_")[0]].append(path)
        for image in image_files(images):
            labels = sorted(segmentations[image.stem], key=lambda p: (len(p.stem), p.stem))
            missing = images.parent / "segments" / f"{image.stem}_0.png"
            yield ItemFiles(image.stem, image, labels or [missing])

    def read_labels(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "n h w"]:
        """Read region ids from 0, one map per annotator. The files count from 1.

        Raises:
            ValueError: if a pixel belongs to no region.
        """
        ids = [load_labels(path, size) - 1 for path in self.label_paths[index]]
        for path, regions in zip(self.label_paths[index], ids, strict=True):
            if regions.min() < 0:
                raise ValueError(f"{path}: region numbers must be at least 1, got 0")
        return torch.stack(ids)
