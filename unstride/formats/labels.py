"""Reads and writes label images and depth images: one number per pixel of an image."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.images import open_image

UNLABELLED = 255
LABEL_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L")  # one channel of whole numbers
DEPTH_MODES = ("I", "I;16", "I;16B", "I;16L")
MAX_DEPTH = 65.535  # metres; the largest depth that fits into 16 bits of millimetres


def load_labels(path: str | Path, size: tuple[int, int] | None = None) -> Int64[Tensor, "h w"]:
    """Load the whole numbers in a label image, unscaled; of a palette image, the indices.

    Args:
        path: image with one channel of whole numbers, usually a PNG.
        size: (height, width) of the image that it belongs to. Default: any size is accepted.

    Raises:
        ValueError: if it is not such an image, damaged, or of another size.
        FileNotFoundError: if there is no such file.
    """
    return _read_integers(
        path, LABEL_MODES, "a label image must have one channel of whole numbers", size
    )


def load_depth(
    path: str | Path, size: tuple[int, int] | None = None, metres_per_step: float = 0.001
) -> Float[Tensor, "h w"]:
    """Load depth in metres from a 16-bit image; 0 where it is unknown.

    Args:
        path: image with one channel of 16 bits.
        size: (height, width) of the image that it belongs to. Default: any size is accepted.
        metres_per_step: metres per step of the file's numbers. Default: 0.001, for millimetres.

    Raises:
        ValueError: if it is not such an image, damaged, or of another size.
        FileNotFoundError: if there is no such file.
    """
    requirement = "a depth image must have one channel of 16 bits"
    return _read_integers(path, DEPTH_MODES, requirement, size) * metres_per_step


def write_labels(
    path: str | Path, labels: Int64[Tensor, "h w"], colours: Float[Tensor, "n 3"]
) -> None:
    """Write an 8-bit PNG of classes that viewers show in colour; `load_labels` reads it.

    Args:
        path: output file.
        labels: classes from 0, or UNLABELLED, which is shown black.
        colours: colour of each class, RGB in [0, 1].

    Raises:
        ValueError: if there are more than 255 classes, or a label is not one of them.
    """
    from PIL import Image

    if len(colours) > UNLABELLED:
        raise ValueError(
            f"{path}: 8 bits can store at most {UNLABELLED} classes, got {len(colours)}"
        )
    is_invalid = ((labels < 0) | (labels >= len(colours))) & (labels != UNLABELLED)
    if is_invalid.any():
        raise ValueError(
            f"{path}: labels must be in 0..{len(colours) - 1}, got {int(labels[is_invalid][0])}"
        )
    image = Image.fromarray(labels.cpu().numpy().astype(np.uint8), "P")
    palette = torch.zeros(256, 3)
    palette[: len(colours)] = colours
    image.putpalette((255 * palette.clamp(0, 1)).round().byte().flatten().tolist())
    image.save(path, format="PNG")


def write_depth(path: str | Path, depth: Float[Tensor, "h w"]) -> None:
    """Write depth to a 16-bit PNG in millimetres, 0 where unknown; `load_depth` reads it.

    Args:
        path: output file.
        depth: metres, at most MAX_DEPTH. NaN and values that are not above 0 are unknown.
    """
    from PIL import Image

    steps = torch.where(depth > 0, (1000 * depth.double()).round().clamp(1, 65535), 0.0)
    Image.fromarray(steps.cpu().numpy().astype(np.uint16)).save(path, format="PNG")


def _read_integers(
    path: str | Path, modes: tuple[str, ...], requirement: str, size: tuple[int, int] | None
) -> Int64[Tensor, "h w"]:
    path = Path(path)
    with open_image(path) as image:
        if image.mode not in modes:
            raise ValueError(f"{path}: {requirement}, got mode {image.mode}")
        pixels = torch.from_numpy(np.array(image).astype(np.int64))
    check_label_size(path, pixels, size)
    return pixels


def check_label_size(
    path: Path, labels: Int64[Tensor, "h w ..."], size: tuple[int, int] | None
) -> None:
    """Check that labels have the (height, width) of their image, or any if it is None.

    Raises:
        ValueError: if they have another size; names both.
    """
    if size is not None and tuple(labels.shape[:2]) != tuple(size):
        raise ValueError(
            f"{path}: {labels.shape[1]} x {labels.shape[0]} pixels, "
            f"but its image has {size[1]} x {size[0]}"
        )
