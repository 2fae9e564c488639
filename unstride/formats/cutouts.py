"""Reads cut-outs: images whose alpha says what is foreground, such as `unstride matte` writes."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unstride.formats.images import open_image

ALPHA_MODES = "RGBA", "LA", "PA"


def load_cutout(path: str | Path) -> Float[Tensor, "4 h w"]:
    """Load RGB and alpha in [0, 1], upright; colours are not multiplied by alpha.

    Raises:
        ValueError: if the file is not an image, damaged, has no alpha, or nothing in it is opaque.
        FileNotFoundError: if there is no such file.
    """
    from PIL import ImageOps

    path = Path(path)
    with open_image(path) as image:
        if image.mode not in ALPHA_MODES and "transparency" not in image.info:
            raise ValueError(f"{path}: a cut-out must have alpha, got mode {image.mode}")
        pixels = np.array(ImageOps.exif_transpose(image).convert("RGBA"))
    maps = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    if not (maps[3] > 0).any():
        raise ValueError(f"{path}: a cut-out must show something, all of it is transparent")
    return maps
