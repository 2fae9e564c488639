"""Divides the images of a data set that has no splits: by lists of names, or at random."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from unstride.formats.text import read_lines

VAL_SHARE = 0.2  # share of the images that are held out, where nothing else is said
LISTED_SPLITS = ("train", "val", "test")


def names_of_split(
    folder: Path, split: str, names: Sequence[str], *, val_share: float, seed: int
) -> set[str]:
    """Choose the names of a split: those in FOLDER/SPLIT.txt, or a random part.

    If the folder has no list at all, `val` is a random part, and `train` the rest. Which names it
    has depends on the seed and on the names alone, not on their order.

    Args:
        folder: folder of the lists. A line is a name, with or without folders and suffix.
        split: train, val or test.
        names: all names, without suffix.
        val_share: share of the names in the random `val`, above 0 and below 1.
        seed: seed of the random part.

    Raises:
        ValueError: if a list has a name that there is not, or there is nothing to divide.
        FileNotFoundError: if there are lists of other splits only, or no list of `test`.
    """
    path = folder / f"{split}.txt"
    if path.is_file():
        return _listed_names(path, set(names))
    if split == "test" or any((folder / f"{other}.txt").is_file() for other in LISTED_SPLITS):
        raise FileNotFoundError(f"{path}: no such list of the images of split {split!r}")
    return names_in_random_split(split, names, val_share, seed)


def names_in_random_split(
    split: str, names: Sequence[str], val_share: float, seed: int
) -> set[str]:
    """Choose a random part of the names for `val`, or the rest for `train`; see `names_of_split`.

    Raises:
        ValueError: if there is nothing to divide.
    """
    val = _random_part(names, val_share, seed)
    return val if split == "val" else set(names) - val


def _listed_names(path: Path, names: set[str]) -> set[str]:
    listed = {Path(line).stem if Path(line).stem in names else line for line in read_lines(path)}
    if unknown := sorted(listed - names):
        raise ValueError(
            f"{path}: no image is called {unknown[0]!r} ({len(unknown)} of {len(listed)} missing)"
        )
    return listed


def _random_part(names: Sequence[str], share: float, seed: int) -> set[str]:
    if not 0 < share < 1:
        raise ValueError(f"val_share must be above 0 and below 1, got {share}")
    if len(names) < 2:
        raise ValueError(
            f"a data set without splits must have two images or more, got {len(names)}"
        )
    order = sorted(names, key=lambda name: sha256(f"{seed}/{name}".encode()).digest())
    return set(order[: min(max(round(share * len(names)), 1), len(names) - 1)])
