"""Between tensors and Pillow's images, and how large lines and letters are."""

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

MIN_FONT_SIZE = 10  # letters that can be read, in pixels


def to_pil_image(picture: Float[Tensor, "3 h w"]) -> "Image":
    """RGB in [0, 1] as an image of Pillow."""
    from PIL import Image

    array = (picture.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
    return Image.fromarray(array)


def to_tensor(image: "Image") -> Float[Tensor, "3 h w"]:
    """An RGB image of Pillow, in [0, 1]."""
    import numpy as np

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def default_font(size: int) -> "FreeTypeFont | ImageFont":
    """Pillow's own letters, so many pixels high, or the smallest that can be read."""
    from PIL import ImageFont

    return ImageFont.load_default(size=max(size, MIN_FONT_SIZE))


def font_size(height: int, width: int) -> int:
    """How high letters are on a picture, in pixels: 13 at 480 x 360, 27 at 2000 x 1500."""
    return max(round(0.7 * sqrt(min(height, width))), MIN_FONT_SIZE)


def line_width(height: int, width: int) -> int:
    """How wide a thin line is on a picture, in pixels: 1 at 480 x 360, 3 at 2000 x 1500."""
    return max(round(min(height, width) / 500), 1)


def save_png(image: Float[Tensor, "3 h w"], path: str | Path) -> None:
    """Write RGB in [0, 1] as PNG; the file appears whole or not at all."""
    with atomic_path(Path(path)) as partial:
        to_pil_image(image).save(partial, format="PNG")
