"""Reads NumPy's .npy files, without running anything that is in them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unstride.formats.errors import naming_file


def read_array(path: Path, ndim: int, size: tuple[int, int] | None = None) -> Tensor:
    """Read a .npy file; drops a last axis of length one if there is one axis too many.

    Args:
        path: the file.
        ndim: 2 for an array of shape (height, width), 3 for one of RGB (height, width, 3).
        size: (height, width) that an array of two axes must have. Default: any.

    Raises:
        ValueError: if it is not an array of numbers, or has another shape.
        FileNotFoundError: if there is no such file.
    """
    with naming_file(path, "not an array of numbers"), open(path, "rb") as file:
        array = torch.from_numpy(np.load(file, allow_pickle=False))
    if array.ndim == ndim + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != ndim or (ndim == 3 and array.shape[2] != 3):
        expected = "h x w x 3" if ndim == 3 else "h x w"
        raise ValueError(
            f"{path}: expected an array of shape {expected}, got shape {tuple(array.shape)}"
        )
    if size is not None and tuple(array.shape) != size:
        raise ValueError(f"{path}: shape must be {size} like its image, got {tuple(array.shape)}")
    return array
