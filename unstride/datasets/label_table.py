"""Maps the ids in label files to classes with a lookup table."""

from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.formats.labels import UNLABELLED


def lookup_table(
    class_of_id: dict[int, int], unlabelled_ids: tuple[int, ...]
) -> Int64[Tensor, "256"]:
    """Map each of the 256 possible ids in a label file to a class, UNLABELLED, or -1 (invalid)."""
    table = torch.full((256,), -1)
    for file_id, label in class_of_id.items():
        table[file_id] = label
    table[list(unlabelled_ids)] = UNLABELLED
    return table


def remap_labels(
    ids: Int64[Tensor, "h w"], table: Int64[Tensor, " n"], path: Path
) -> Int64[Tensor, "h w"]:
    """Map the ids in a label file to classes.

    Raises:
        ValueError: if an id has no class; names the file and the id.
    """
    in_range = ids.clamp(0, len(table) - 1)
    labels = table[in_range]
    is_invalid = (labels < 0) | (in_range != ids)
    if is_invalid.any():
        raise ValueError(f"{path}: label {int(ids[is_invalid][0])} is not a class of this data set")
    return labels
