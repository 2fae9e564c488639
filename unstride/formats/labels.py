"""Labels from disk: one number per pixel of a photograph, as wide and high as it."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.images import open_image

UNLABELLED = 255
LABEL_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L")  # one channel of whole numbers
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
    return _read_integers(path, LABEL_MODES, "a label image has one channel of whole numbers", size)


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
    return (
        _read_integers(path, DEPTH_MODES, "a depth image has one channel of 16 bits", size) * unit
    )


def _read_integers(
    path: str | Path, modes: tuple[str, ...], expected: str, size: tuple[int, int] | None
) -> Int64[Tensor, "h w"]:
    import numpy as np

    with open_image(path) as image:
        if image.mode not in modes:
            raise ValueError(f"{path}: {expected}, but this one's mode is {image.mode}")
        pixels = torch.from_numpy(np.array(image).astype(np.int64))
    if size is not None and tuple(pixels.shape) != tuple(size):
        raise ValueError(
            f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels, "
            f"but its photograph has {size[1]} x {size[0]}"
        )
    return pixels


MAX_DEPTH = 65.535  # metres: what 16 bits of millimetres hold


def write_labels(
    path: str | Path, labels: Int64[Tensor, "h w"], colours: Float[Tensor, "n 3"]
) -> None:
    """Writes an 8-bit PNG of class numbers that viewers show in colours; `load_labels` reads it.

    Args:
        path: of the PNG.
        labels: classes from 0, or UNLABELLED, which is shown black.
        colours: of the classes, RGB in [0, 1].

    Raises:
        ValueError: if there are more than 255 classes, or a label is none of them.
    """
    from PIL import Image

    if len(colours) > UNLABELLED:
        raise ValueError(f"{path}: {len(colours)} classes, but 8 bits hold {UNLABELLED}")
    wrong = ((labels < 0) | (labels >= len(colours))) & (labels != UNLABELLED)
    if wrong.any():
        raise ValueError(f"{path}: label {int(labels[wrong][0])}, there are 0..{len(colours) - 1}")
    image = Image.fromarray(labels.cpu().numpy().astype(np.uint8), "P")
    shown = torch.zeros(256, 3)
    shown[: len(colours)] = colours
    image.putpalette((255 * shown.clamp(0, 1)).round().byte().flatten().tolist())
    image.save(path, format="PNG")


def write_depth(path: str | Path, depth: Float[Tensor, "h w"]) -> None:
    """Writes a 16-bit PNG in millimetres, 0 where it is unknown; `load_depth` reads it.

    Args:
        path: of the PNG.
        depth: metres, at most 65.535; what is not above 0, and NaN, is unknown.
    """
    from PIL import Image

    steps = torch.where(depth > 0, (1000 * depth.double()).round().clamp(1, 65535), 0.0)
    Image.fromarray(steps.cpu().numpy().astype(np.uint16)).save(path, format="PNG")
