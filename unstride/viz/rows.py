"""Pictures in a row with captions, and a picture as a file."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from unstride.viz.pillow import default_font, to_pil_image, to_tensor


def captioned_row(
    images: list[tuple[str, Float[Tensor, "1 3 h w"]]], height: int = 360, gap: int = 8
) -> Float[Tensor, "3 H W"]:
    """Pictures in a row, each with its caption, pixels shown as squares.

    Args:
        images: captions and pictures, RGB in [0, 1].
        height: of each picture, in pixels.
        gap: between them.
    """
    from PIL import Image, ImageDraw

    caption = height // 12
    pictures = []
    for _, image in images:
        h, w = image.shape[2:]
        shrink = Image.Resampling.LANCZOS if h > height else Image.Resampling.NEAREST
        size = max(round(w * height / h), 1), height
        pictures.append(to_pil_image(image[0]).resize(size, shrink))
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, height + caption), "white")
    draw, x = ImageDraw.Draw(canvas), 0
    for (text, _), picture in zip(images, pictures, strict=True):
        canvas.paste(picture, (x, caption))
        draw.text((x + 2, caption // 6), text, fill="black", font=default_font(height // 22))
        x += picture.width + gap
    return to_tensor(canvas)


def image_row(*pictures: Float[Tensor, "3 _ _"], gap: int = 8) -> Float[Tensor, "3 H W"]:
    """Pictures from left to right at their own sizes, tops aligned, on white."""
    height = max(p.shape[1] for p in pictures)
    last = len(pictures) - 1
    return torch.cat(
        [
            pad(p, (0, gap if i < last else 0, 0, height - p.shape[1]), value=1.0)
            for i, p in enumerate(pictures)
        ],
        2,
    )


def stack_with_captions(
    rows: Sequence[tuple[str, Float[Tensor, "3 _ _"]]], size: int = 17
) -> Float[Tensor, "3 H W"]:
    """Pictures under each other, each below its line of text, as wide as the widest."""
    from PIL import Image, ImageDraw

    letters, line = default_font(size), 2 * size
    width = max(
        *(p.shape[2] for _, p in rows), *(int(letters.getlength(text)) + 8 for text, _ in rows)
    )
    canvas = Image.new("RGB", (width, sum(p.shape[1] + line for _, p in rows)), "white")
    draw, top = ImageDraw.Draw(canvas), 0
    for text, picture in rows:
        draw.text((2, top + size // 2), text, fill="black", font=letters)
        canvas.paste(to_pil_image(picture), (0, top + line))
        top += line + picture.shape[1]
    return to_tensor(canvas)
