"""What is said of every pixel as PNG files: classes by number, depth in millimetres."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.labels import UNLABELLED

DEEPEST = 65.535  # metres: what 16 bits of millimetres hold


def write_classes(
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
