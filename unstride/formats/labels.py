"""Labels from disk: one number per pixel of a photograph, as wide and high as it."""

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.images import opened

UNLABELLED = 255
CLASS_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L")  # one channel of whole numbers
DEPTH_MODES = ("I", "I;16", "I;16B", "I;16L")


def load_labels(path: str | Path, size: tuple[int, int] | None = None) -> Int64[Tensor, "h w"]:
    """The whole numbers in a label image, unscaled; of a palette image, the indices.

    Args:
        path: of an image of one channel of whole numbers, usually a PNG.
        size: (height, width) of the photograph it belongs to; None for any.

    Raises:
        ValueError: if it is no such image, damaged, or of another size.
        FileNotFoundError: if there is no such file.
    """
    return _numbers(path, CLASS_MODES, "a label image has one channel of whole numbers", size)


def load_depth(
    path: str | Path, size: tuple[int, int] | None = None, unit: float = 0.001
) -> Float[Tensor, "h w"]:
    """Depth in metres from a 16-bit image; 0 where it is unknown.

    Args:
        path: of an image of one channel of 16 bits.
        size: (height, width) of the photograph it belongs to; None for any.
        unit: metres per step of the file's numbers; files in millimetres have 0.001.

    Raises:
        ValueError: if it is no such image, damaged, or of another size.
        FileNotFoundError: if there is no such file.
    """
    return _numbers(path, DEPTH_MODES, "a depth image has one channel of 16 bits", size) * unit


def _numbers(
    path: str | Path, modes: tuple[str, ...], expected: str, size: tuple[int, int] | None
) -> Int64[Tensor, "h w"]:
    import numpy as np

    with opened(path) as image:
        if image.mode not in modes:
            raise ValueError(f"{path}: {expected}, but this one's mode is {image.mode}")
        pixels = torch.from_numpy(np.array(image).astype(np.int64))
    if size is not None and tuple(pixels.shape) != tuple(size):
        raise ValueError(
            f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels, "
            f"but its photograph has {size[1]} x {size[0]}"
        )
    return pixels
