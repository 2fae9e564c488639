"""Converts tensors to and from Pillow images, writes PNG, and chooses text and line sizes."""

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.formats.atomic_write import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

MIN_FONT_SIZE = 10  # smallest readable text, in pixels


def to_pil_image(picture: Float[Tensor, "3 h w"]) -> "Image":
    """Convert RGB in [0, 1] to a Pillow image."""
    from PIL import Image

    array = (picture.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
    return Image.fromarray(array)


def to_tensor(image: "Image") -> Float[Tensor, "3 h w"]:
    """Convert a Pillow RGB image to a tensor in [0, 1]."""
    import numpy as np

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def default_font(size: int) -> "FreeTypeFont | ImageFont":
    """Pillow's default font, at `size` pixels or the smallest readable size."""
    from PIL import ImageFont

    return ImageFont.load_default(size=max(size, MIN_FONT_SIZE))


def font_size(height: int, width: int) -> int:
    """Text size for a picture of this size, in pixels: 13 at 480 x 360, 27 at 2000 x 1500."""
    return max(round(0.7 * sqrt(min(height, width))), MIN_FONT_SIZE)


def line_width(height: int, width: int) -> int:
    """Width of thin lines for a picture size, in pixels: 1 at 480 x 360, 3 at 2000 x 1500."""
    return max(round(min(height, width) / 500), 1)


def save_png(image: Float[Tensor, "3 h w"], path: str | Path) -> None:
    """Write RGB in [0, 1] as PNG; the file appears complete or not at all."""
    with atomic_path(Path(path)) as partial:
        to_pil_image(image).save(partial, format="PNG")


def parse_colour(text: str) -> Float[Tensor, "3 1 1"]:
    """A colour by its name or number, such as white, #ff8800 or rgb(255, 136, 0), RGB in [0, 1].

    Raises:
        ValueError: if there is no such colour.
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise ValueError(
            f"colour must be a name or a number such as #ff8800, got {text!r}"
        ) from None
    return torch.tensor([red, green, blue])[:, None, None] / 255
