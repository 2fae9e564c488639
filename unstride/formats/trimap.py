"""Reads trimaps, and the rough masks from which they are made."""

from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from unstride.formats.masks import read_grey

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
TOLERANCE = 16  # grey values this near black or white are known, as in a JPEG file


def load_trimap(path: str | Path, size: tuple[int, int]) -> UInt8[Tensor, "h w"]:
    """Load a trimap, upright, as its image is: 0 background, 128 unknown, 255 foreground.

    Values near black and white count as these, all others as unknown. A file with values up to 2
    alone holds numbers: 0 background, 1 unknown, 2 foreground.

    Args:
        path: image file.
        size: rows and columns of the upright image.

    Raises:
        ValueError: if the file is damaged, has another size or colours, or nothing is known as
            foreground or as background.
        FileNotFoundError: if there is no such file.
    """
    values = torch.from_numpy(read_grey(path, size).copy())
    if values.max() == 2:
        values = values * UNKNOWN - (values == 2).byte()  # 0, 128, 255
    trimap = torch.full_like(values, UNKNOWN)
    trimap[values <= TOLERANCE] = BACKGROUND
    trimap[values >= FOREGROUND - TOLERANCE] = FOREGROUND
    for value, name in ((FOREGROUND, "foreground"), (BACKGROUND, "background")):
        if not (trimap == value).any():
            raise ValueError(f"{path}: a trimap must have known {name}, got none")
    return trimap
