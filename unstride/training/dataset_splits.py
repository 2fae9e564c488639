"""Data set splits by name, for the task recipes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from unstride.datasets.base import LabelledDataset

D = TypeVar("D", bound=LabelledDataset)


def load_dataset(datasets: Mapping[str, type[D]], name: str, root: Path, split: str) -> D:
    """Load a split of a data set.

    Args:
        datasets: the data sets of a recipe by name.
        name: name of the data set.
        root: folder of the data set.
        split: name of the split.

    Raises:
        ValueError: if the recipe has no data set of this name, or the data set has no such split.
    """
    if name not in datasets:
        raise ValueError(f"dataset must be one of {', '.join(datasets)}, got {name!r}")
    return datasets[name](root, split)


def check_classes(root: Path, split: str, classes: Any, expected: Any) -> None:
    """Check that a split has the classes that a network was trained for.

    Raises:
        ValueError: if they differ.
    """
    if classes != expected:
        raise ValueError(f"{root}: the classes of {split} differ from those of the training split")


def scored_split(dataset: str, split: str) -> str:
    """The split to score on: `test` for `val` of nyuv2, which has no val."""
    return "test" if (dataset, split) == ("nyuv2", "val") else split
