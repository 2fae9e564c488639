"""Reads and writes alpha mattes, and images with alpha."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unstride.formats.images import open_image
from unstride.formats.masks import grey_values

MAX_16_BIT = 65535


def load_alpha(path: str | Path) -> Float[Tensor, "h w"]:
    """Load an alpha matte in [0, 1] from a grey image of 8 or 16 bits.

    Raises:
        ValueError: if the file is not an image, damaged or coloured.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    with open_image(path) as image:
        if image.mode.startswith("I"):
            return torch.from_numpy(np.asarray(image).astype(np.float32)) / MAX_16_BIT
        return torch.from_numpy(grey_values(image, path).astype(np.float32)) / 255


def write_alpha(path: str | Path, alpha: Float[Tensor, "h w"]) -> None:
    """Write an alpha matte as a 16-bit PNG; `load_alpha` reads it.

    Args:
        path: output file.
        alpha: in [0, 1].
    """
    from PIL import Image

    steps = (alpha.clamp(0, 1).double() * MAX_16_BIT).round()
    Image.fromarray(steps.cpu().numpy().astype(np.uint16)).save(path, format="PNG")


def write_cutout(
    path: str | Path, colours: Float[Tensor, "3 h w"], alpha: Float[Tensor, "h w"]
) -> None:
    """Write an RGBA PNG of 8 bits.

    Args:
        path: output file.
        colours: RGB in [0, 1], not multiplied by alpha.
        alpha: in [0, 1].
    """
    from PIL import Image

    maps = torch.cat([colours, alpha[None]]).clamp(0, 1)
    array = (maps * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(np.ascontiguousarray(array), "RGBA").save(path, format="PNG")
