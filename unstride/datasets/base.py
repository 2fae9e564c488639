"""Base classes of the data sets: images in a fixed order, most with a label for every pixel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset, Subset

from unstride.datasets.label_table import remap_labels
from unstride.formats.images import IMAGE_SUFFIXES, load_image, refuse_address
from unstride.formats.labels import load_depth, load_labels


class ItemFiles(NamedTuple):
    """The name of an item, its image file and its label files."""

    name: str
    image: Path
    labels: list[Path]


class ImageDataset(Dataset):
    """The images of one split of a data set, in a fixed order.

    A subclass implements `find_items`, whose items have at least a `name` and an `image`.

    Args:
        root: folder of the data set.
        split: one of `splits`.

    Raises:
        ValueError: if there is no such split, or the root is an address such as https://...
        FileNotFoundError: if a folder is missing or holds no image.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    layout: ClassVar[str]
    option_names: ClassVar[tuple[str, ...]] = ()  # arguments that options of a recipe may set

    def __init__(self, root: str | Path, split: str):
        self.root, self.split = Path(root), split
        if split not in self.splits:
            raise ValueError(f"split must be one of {', '.join(self.splits)}, got {split!r}")
        if not self.root.is_dir():
            refuse_address(root)
            raise FileNotFoundError(f"{root}: no such folder; expected layout: {self.layout}")
        self.items: list[Any] = list(self.find_items())
        if not self.items:
            raise FileNotFoundError(
                f"{root}: no image of split {split!r}; expected layout: {self.layout}"
            )
        self.names: list[str] = [item.name for item in self.items]
        self.image_paths: list[Path] = [item.image for item in self.items]

    def find_items(self) -> Iterator[Any]:
        """Yield the items of the split, in order."""
        raise NotImplementedError

    def find_folder(self, *candidates: str) -> Path:
        """Return the first of these folders below the root that exists.

        Raises:
            FileNotFoundError: if none of them exists.
        """
        for candidate in candidates:
            if (self.root / candidate).is_dir():
                return self.root / candidate
        paths = " or ".join(str(self.root / candidate) for candidate in candidates)
        raise FileNotFoundError(f"{paths}: no such folder; expected layout: {self.layout}")

    def __len__(self) -> int:
        return len(self.names)


class LabelledDataset(ImageDataset):
    """Images (RGB in [0, 1]) with labels of the same height and width.

    A subclass implements `find_items` (where the files are) and `read_labels`.

    Args:
        root: folder of the data set.
        split: one of `splits`.

    Raises:
        ValueError: if there is no such split.
        FileNotFoundError: if a folder or a label is missing, or there is no image.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, root: str | Path, split: str):
        super().__init__(root, split)
        self.label_paths: list[list[Path]] = [item.labels for item in self.items]
        self._check_label_files()

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the files of each item of the split, in order."""
        raise NotImplementedError

    def read_labels(self, index: int, size: tuple[int, int]) -> Tensor:
        """Read the labels of an item whose image has this (height, width)."""
        raise NotImplementedError

    def check_sizes(self) -> None:
        """Compare the sizes of images and labels, for data sets that may be wrong. Here nothing.

        Raises:
            ValueError: if one differs.
        """

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Any]:
        image = load_image(self.image_paths[index])[0]
        height, width = image.shape[1:]
        return image, self.read_labels(index, (height, width))

    def _check_label_files(self) -> None:
        missing = [p for paths in self.label_paths for p in paths if not p.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{missing[0]}: no such label file ({len(missing)} missing); "
                f"expected layout: {self.layout}"
            )


class SegmentationDataset(LabelledDataset):
    """Images with a class for every pixel, or UNLABELLED.

    A subclass has a `label_table`, which maps the ids in a label file to classes, and ids that
    must not occur to -1.
    """

    label_table: Tensor

    def read_labels(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "h w"]:
        """Read classes from 0, or UNLABELLED."""
        path = self.label_paths[index][0]
        return remap_labels(load_labels(path, size), self.label_table, path)


class DepthDataset(LabelledDataset):
    """Images with the depth of every pixel in metres, or 0 where it is unknown."""

    def read_labels(self, index: int, size: tuple[int, int]) -> Float[Tensor, "h w"]:
        """Read metres along the optical axis, or 0."""
        return load_depth(self.label_paths[index][0], size)


def evenly_spaced_indices(count: int, limit: int | None) -> list[int]:
    """Return `limit` of `count` indices at even distances, or all of them."""
    if limit is None or limit >= count:
        return list(range(count))
    return [(2 * i + 1) * count // (2 * limit) for i in range(limit)]


def evenly_spaced_subset(dataset: Dataset, limit: int | None) -> Subset:
    """Return `limit` items of a data set at even distances, or all of them."""
    return Subset(dataset, evenly_spaced_indices(len(dataset), limit))  # type: ignore[arg-type]


def image_files(folder: Path, pattern: str = "*") -> list[Path]:
    """Lists the image files in a folder, but not in its subfolders, in sorted order."""
    paths = folder.glob(pattern)
    return sorted(p for p in paths if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
