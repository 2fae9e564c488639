"""Data set splits by name, for the task recipes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import Subset

from unstride.datasets.base import LabelledDataset, evenly_spaced_subset
from unstride.datasets.instances import InstanceDataset

D = TypeVar("D", bound=LabelledDataset)


def load_dataset(
    datasets: Mapping[str, type[D]], name: str, root: Path, split: str, **options: Any
) -> D:
    """Load a split of a data set, and compare sizes of images and labels; see `open_dataset`.

    Raises:
        ValueError: also if sizes differ.
    """
    dataset = open_dataset(datasets, name, root, split, **options)
    dataset.check_sizes()
    return dataset


def open_dataset(
    datasets: Mapping[str, type[D]], name: str, root: Path, split: str, **options: Any
) -> D:
    """Open a split of a data set.

    Args:
        datasets: the data sets of a recipe by name.
        name: name of the data set.
        root: folder of the data set.
        split: name of the split.
        options: further arguments of the data set. None stands for its own default.

    Raises:
        ValueError: if the recipe has no data set of this name, or the data set has no such split
            or option.
    """
    if name not in datasets:
        raise ValueError(f"dataset must be one of {', '.join(datasets)}, got {name!r}")
    given = {key: value for key, value in options.items() if value is not None}
    for key in given.keys() - set(datasets[name].option_names):
        raise ValueError(f"{key} must not be set for dataset {name}, got {given[key]}")
    return datasets[name](root, split, **given)


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


def with_objects(dataset: InstanceDataset, indices: Sequence[int], advice: str) -> list[int]:
    """Those of the indices whose images have objects.

    Args:
        dataset: a split of a data set.
        indices: indices of the images in question.
        advice: what to do if none has one, for the message.

    Raises:
        ValueError: if none has one.
    """
    all_with_objects = set(dataset.indices_with_objects())
    kept = [i for i in indices if i in all_with_objects]
    if not kept:
        raise ValueError(
            f"{dataset.root}: none of {len(indices)} images of split {dataset.split!r} has "
            f"{dataset.labelled_part}; {advice}"
        )
    return kept


def check_masks(dataset: InstanceDataset, model: str) -> None:
    """Check that every object has a mask, if the model is mask_rcnn.

    Raises:
        ValueError: if one has none.
    """
    if model == "mask_rcnn" and dataset.missing_mask:
        raise ValueError(
            f"{dataset.missing_mask} has no mask, which model mask_rcnn needs; "
            "choose faster_rcnn, fcos or retinanet"
        )


def scored_images(dataset: InstanceDataset, limit: int | None) -> Subset:
    """`limit` images of a split at even distances, or all of them, to be scored.

    Raises:
        ValueError: if none of them has an object: then there is no score.
    """
    subset = evenly_spaced_subset(dataset, limit)
    advice = "scores need one; " + ("choose another split" if limit is None else "raise val_limit")
    with_objects(dataset, subset.indices, advice)
    return subset
