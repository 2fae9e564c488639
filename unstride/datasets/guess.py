"""Guesses from the folders of a data set what it is for and in which format it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unstride.formats.images import refuse_address


class Guess(NamedTuple):
    """A task and the name of a data set, and the files that speak for them."""

    task: str
    dataset: str
    pattern: str


GUESSES = (  # in this order; a pattern is one of files below the root
    Guess("segmentation", "folder", "masks/*"),
    Guess("depth", "folder", "depth/*"),
    Guess("detection", "yolo", "labels/*.txt"),
    Guess("segmentation", "folder", "labels/*.png"),
    Guess("detection", "voc", "Annotations/*.xml"),
)


def guess_dataset(
    root: Path, task: str | None = None, dataset: str | None = None
) -> tuple[str, str]:
    """Guess the task and the name of a data set.

    Args:
        root: folder of the data set.
        task: the task, if it is known.
        dataset: the name, if it is known.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if nothing in it is known.
    """
    if not root.is_dir():
        refuse_address(root)
        raise FileNotFoundError(f"{root}: no such folder")
    for guess in GUESSES:
        is_fitting = task in (None, guess.task) and dataset in (None, guess.dataset)
        if is_fitting and next(_files(root, guess.pattern), None):
            return guess.task, guess.dataset
    raise ValueError(
        f"{root}: neither images with masks, depth nor boxes were found; say what it is with "
        "--task and --dataset, or see docs/your_data.md for the folders that are known"
    )


def _files(root: Path, pattern: str) -> Iterator[Path]:
    """The files of a pattern, in the root and with a folder of a split above or below."""
    folder, name = pattern.split("/")
    for place in (f"{folder}/{name}", f"*/{folder}/{name}", f"{folder}/*/{name}"):
        yield from (path for path in root.glob(place) if path.is_file())
