"""Reads masks of holes: black and white images, of which the caller says which is the hole."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from unstride.formats.images import open_image

HoleColour = Literal["white", "black"]
BLACK, WHITE = 0, 255


def load_mask(
    path: str | Path,
    size: tuple[int, int],
    *,
    hole: HoleColour = "white",
    threshold: int | None = None,
) -> Bool[Tensor, "h w"]:
    """Load a mask, upright, as its image is.

    Args:
        path: image file.
        size: rows and columns of the upright image.
        hole: colour of the hole.
        threshold: smallest grey value, 1 to 255, that counts as white. Default: grey values are
            refused.

    Raises:
        ValueError: if the file is damaged, has another size, is not black and white, or has grey
            values and no threshold is given.
        FileNotFoundError: if there is no such file.
    """
    values = read_grey(path, size)
    is_grey = (values != BLACK) & (values != WHITE)
    if threshold is None and is_grey.any():
        raise ValueError(
            f"{path}: a mask must be black and white, {is_grey.mean():.1%} of its pixels are grey; "
            "give --threshold 128 to count them as the nearer of both"
        )
    is_white = torch.from_numpy(values >= (threshold or WHITE))
    return is_white if hole == "white" else ~is_white


def read_grey(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """The grey values of an image file that has the size of another image, upright, 0 to 255.

    Raises:
        ValueError: if the file is damaged, has another size or has colours.
        FileNotFoundError: if there is no such file.
    """
    from PIL import ImageOps

    path = Path(path)
    with open_image(path) as image:
        upright = ImageOps.exif_transpose(image)
        if (upright.height, upright.width) != tuple(size):
            raise ValueError(
                f"{path}: {upright.width} x {upright.height} pixels, "
                f"but its image has {size[1]} x {size[0]}"
            )
        return grey_values(upright, path)


def grey_values(image, path: Path) -> np.ndarray:
    """The grey values of a Pillow image, 0 to 255.

    Raises:
        ValueError: if it has colours.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image.convert("I"))
        return np.round(values / max(values.max(), 1) * WHITE).astype(np.uint8)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    colours = np.asarray(image.convert("RGB"))
    if (colours != colours[:, :, :1]).any():
        raise ValueError(f"{path}: a mask must be black and white, got colours")
    return colours[:, :, 0]
