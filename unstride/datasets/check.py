"""Reads every item of a data set once: what is in it, and what is wrong where."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from unstride.datasets.base import (
    DepthDataset,
    LabelledDataset,
    SegmentationDataset,
    evenly_spaced_indices,
)
from unstride.datasets.labelled_tile import classes_of_objects, labelled_tile
from unstride.datasets.own_folders import OwnFolders
from unstride.formats.errors import error_summary

REQUIRED_SPLITS = ("train", "val")  # without which nothing can be trained
TILES = 12  # images of a split on a contact sheet
NAMED_CLASSES = 10  # that do not occur; of more only the number is said

Track = Callable[[Iterable[int], str], Iterable[int]]


@dataclass
class ClassCount:
    """How often a class occurs: in how many images, objects (or segments), and pixels."""

    images: int = 0
    objects: int = 0
    pixels: int = 0


@dataclass
class SplitCheck:
    """What was found in one split.

    Args:
        split: its name.
        class_names: names of its classes; none for depth.
        images: number of images.
        sizes: how many images have each (height, width).
        classes: how often each class occurs.
        depths: smallest and largest known depth of each image, in metres.
        known: of each image, the share of the pixels whose class or depth is known; for objects 1
            if there is any, otherwise 0.
        problems: what is wrong, a sentence each.
        notes: what may be right: classes that do not occur, and splits that need not be there.
        is_absent: whether there is no such split.
        tiles: captions and pictures for a contact sheet.
        digests: the name of the image with each digest, to find copies.
    """

    split: str
    class_names: tuple[str, ...] = ()
    images: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    classes: dict[str, ClassCount] = field(default_factory=dict)
    depths: list[tuple[float, float]] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_absent: bool = False
    tiles: list[tuple[str, Tensor]] = field(default_factory=list)
    digests: dict[bytes, str] = field(default_factory=dict)


def check_splits(
    load_split: Callable[[str], LabelledDataset], splits: Sequence[str], track: Track
) -> list[SplitCheck]:
    """Read the splits of a data set, and compare them with each other.

    A split that does not exist is a problem if it is train or val, and only noted otherwise.

    Args:
        load_split: loads a split by its name.
        splits: names of the splits.
        track: shows the progress through indices, with a description.
    """
    checks = []
    for split in splits:
        try:
            dataset = load_split(split)
        except (ValueError, OSError) as error:
            is_absent = split not in REQUIRED_SPLITS and isinstance(error, FileNotFoundError)
            check = SplitCheck(split, is_absent=is_absent)
            (check.notes if is_absent else check.problems).append(error_summary(error))
            checks.append(check)
            continue
        checks.append(check_split(dataset, track))
    _compare_splits(checks)
    return checks


def check_split(dataset: LabelledDataset, track: Track) -> SplitCheck:
    """Read every item of a split; what cannot be read is a problem, and the others are counted."""
    check = SplitCheck(dataset.split, tuple(dataset.classes), len(dataset))
    check.classes = {name: ClassCount() for name in check.class_names}
    shown = set(evenly_spaced_indices(len(dataset), TILES))
    for index in track(range(len(dataset)), dataset.split):
        try:
            image, labels = dataset[index]
            _count(check, dataset, image, labels)
            if index in shown:
                caption = f"{dataset.split}: {dataset.names[index]}"
                check.tiles.append((caption, labelled_tile(dataset, image, labels)))
            _find_copy(check, dataset, index)
        except (ValueError, OSError, MemoryError) as error:
            check.problems.append(error_summary(error))
    if isinstance(dataset, OwnFolders) and dataset.split == REQUIRED_SPLITS[0]:
        check.problems += [f"{path}: no image has this name" for path in dataset.unused_labels]
    never = [name for name, count in check.classes.items() if not count.images]
    if never:
        others = f" and {len(never) - NAMED_CLASSES} more" if len(never) > NAMED_CLASSES else ""
        check.notes.append(f"no image has {', '.join(never[:NAMED_CLASSES])}{others}")
    return check


def _count(check: SplitCheck, dataset: LabelledDataset, image: Tensor, labels: Any) -> None:
    check.sizes[image.shape[1], image.shape[2]] += 1
    if isinstance(dataset, SegmentationDataset):
        pixels = labels.flatten().bincount(minlength=256)[: len(check.class_names)]
        _add(check, pixels=pixels, present=pixels > 0)
        check.known.append(float(pixels.sum()) / labels.numel())
    elif isinstance(dataset, DepthDataset):
        known = labels[labels > 0]
        check.known.append(len(known) / labels.numel())
        if len(known):
            check.depths.append((float(known.min()), float(known.max())))
    else:
        classes = torch.tensor(classes_of_objects(dataset, labels), dtype=torch.int64)
        objects = classes.bincount(minlength=len(check.class_names))
        check.known.append(float(len(classes) > 0))
        _add(check, objects=objects, present=objects > 0)


def _add(check: SplitCheck, *, present: Tensor, **counts: Tensor) -> None:
    """Add the counts of an image, one number per class."""
    for i, count in enumerate(check.classes.values()):
        count.images += int(present[i])
        for name, values in counts.items():
            setattr(count, name, getattr(count, name) + int(values[i]))


def _find_copy(check: SplitCheck, dataset: LabelledDataset, index: int) -> None:
    path = dataset.image_paths[index]
    digest = sha256(path.read_bytes()).digest()
    if digest in check.digests:
        check.problems.append(f"{path}: the same file as {check.digests[digest]}")
    check.digests.setdefault(digest, str(path))


def _compare_splits(checks: Sequence[SplitCheck]) -> None:
    for i, check in enumerate(checks):
        for other in checks[:i]:
            for digest in check.digests.keys() & other.digests.keys():
                check.problems.append(
                    f"{check.digests[digest]}: also in {other.split}, as {other.digests[digest]}"
                )
            if check.images and other.images and check.class_names != other.class_names:
                check.problems.append(f"the classes differ from those of {other.split}")
