"""What a labelled data set is: photographs, each with labels for every pixel, in a fixed order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset, Subset

from unstride.formats.images import IMAGE_SUFFIXES, load_image
from unstride.formats.labels import UNLABELLED, load_depth, load_labels

ItemFiles = tuple[str, Path, list[Path]]  # a name, a photograph, the files of its labels


class LabelledDataset(Dataset):
    """Photographs (RGB in [0, 1]) with labels of the same height and width.

    A subclass says where the files lie (`find`) and how labels are read (`read`).

    Args:
        root: the folder that holds the data set.
        split: one of `splits`.

    Raises:
        ValueError: if there is no such split.
        FileNotFoundError: if a folder or a label is missing, or there is no photograph.
    """

    classes: tuple[str, ...] = ()
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    layout: ClassVar[str]

    def __init__(self, root: str | Path, split: str):
        self.root, self.split = Path(root), split
        if split not in self.splits:
            raise ValueError(f"split {split!r}: there are {', '.join(self.splits)}")
        if not self.root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder; expected is {self.layout}")
        items = list(self.find())
        if not items:
            raise FileNotFoundError(f"{root}: no photograph of {split}; expected is {self.layout}")
        self.names = [name for name, _, _ in items]
        self.images = [image for _, image, _ in items]
        self.labels = [labels for _, _, labels in items]
        self._check_complete()

    def find(self) -> Iterator[ItemFiles]:
        """The name, photograph and label files of each item of the split, in order."""
        raise NotImplementedError

    def read(self, index: int, size: tuple[int, int]) -> Tensor:
        """The labels of an item whose photograph has this (height, width)."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Any]:
        image = load_image(self.images[index])[0]
        height, width = image.shape[1:]
        return image, self.read(index, (height, width))

    def folder(self, *choices: str) -> Path:
        """The first of these folders under the root that exists.

        Raises:
            FileNotFoundError: if none does.
        """
        for choice in choices:
            if (self.root / choice).is_dir():
                return self.root / choice
        wanted = " or ".join(str(self.root / choice) for choice in choices)
        raise FileNotFoundError(f"{wanted}: no such folder; expected is {self.layout}")

    def _check_complete(self) -> None:
        missing = [p for files in self.labels for p in files if not p.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{missing[0]}: no such label ({len(missing)} missing); expected is {self.layout}"
            )


class SegmentationDataset(LabelledDataset):
    """Photographs with a class for every pixel, UNLABELLED where there is none.

    A subclass has `table`, from the file's numbers to classes; -1 for numbers that may not occur.
    """

    table: Tensor

    def read(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "h w"]:
        """Classes from 0, or UNLABELLED."""
        path = self.labels[index][0]
        return remap_labels(load_labels(path, size), self.table, path)


class DepthDataset(LabelledDataset):
    """Photographs with the depth of every pixel in metres, 0 where it is unknown."""

    def read(self, index: int, size: tuple[int, int]) -> Float[Tensor, "h w"]:
        """Metres along the optical axis, or 0."""
        return load_depth(self.labels[index][0], size)


def evenly_spaced_indices(n: int, limit: int | None) -> list[int]:
    """`limit` of n indices at even distances, or all of them."""
    if limit is None or limit >= n:
        return list(range(n))
    return [(2 * i + 1) * n // (2 * limit) for i in range(limit)]


def evenly_spaced_subset(dataset: Dataset, limit: int | None) -> Subset:
    """So many items of a data set at even distances, or all of them."""
    return Subset(dataset, evenly_spaced_indices(len(dataset), limit))  # type: ignore[arg-type]


def image_files(folder: Path, pattern: str = "*") -> list[Path]:
    """Image files in a folder, not below it, sorted."""
    found = folder.glob(pattern)
    return sorted(p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())


def lookup_table(classes: dict[int, int], unlabelled: tuple[int, ...]) -> Int64[Tensor, "256"]:
    """What each of a file's 256 numbers stands for: a class, UNLABELLED, or -1 for nothing."""
    table = torch.full((256,), -1)
    for number, label in classes.items():
        table[number] = label
    table[list(unlabelled)] = UNLABELLED
    return table


def remap_labels(
    numbers: Int64[Tensor, "h w"], table: Int64[Tensor, " n"], path: Path
) -> Int64[Tensor, "h w"]:
    """Classes for the numbers of a file.

    Raises:
        ValueError: if a number stands for nothing.
    """
    inside = numbers.clamp(0, len(table) - 1)
    labels = table[inside]
    wrong = (labels < 0) | (inside != numbers)
    if wrong.any():
        raise ValueError(f"{path}: {int(numbers[wrong][0])} is no class of this data set")
    return labels
