"""Lays pictures out: in a row, in a row with captions, or stacked with captions.

No side of the result is longer than MAX_SIDE.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from unstride.viz.picture_size import MAX_SIDE, bounded_picture, fitted_size, resized_picture
from unstride.viz.pillow import default_font, to_pil_image, to_tensor


def captioned_row(
    captioned_images: Sequence[tuple[str, Float[Tensor, "1 3 _ _"]]],
    height: int = 360,
    gap: int = 8,
) -> Float[Tensor, "3 H W"]:
    """Lay out pictures in a row at one height, each below its caption.

    Small pictures are enlarged with sharp pixels. Pictures that would be too wide for the row at
    this height are lower.

    Args:
        captioned_images: captions and pictures, RGB in [0, 1].
        height: height of each picture, in pixels.
        gap: between pictures, in pixels.
    """
    from PIL import Image, ImageDraw

    caption_height = height // 12
    gaps = gap * (len(captioned_images) - 1)
    limits = height, (MAX_SIDE - gaps) // len(captioned_images)
    pictures = []
    for _, image in captioned_images:
        h, w = image.shape[2:]
        rows, columns = fitted_size((h, w), limits)
        is_shrunk = h > rows or w > columns
        resampling = Image.Resampling.LANCZOS if is_shrunk else Image.Resampling.NEAREST
        pictures.append(to_pil_image(image[0]).resize((columns, rows), resampling))
    width = sum(p.width for p in pictures) + gaps
    canvas = Image.new("RGB", (width, height + caption_height), "white")
    draw, x, font = ImageDraw.Draw(canvas), 0, default_font(height // 22)
    for (caption, _), picture in zip(captioned_images, pictures, strict=True):
        canvas.paste(picture, (x, caption_height))
        draw.text((x + 2, caption_height // 6), caption, fill="black", font=font)
        x += picture.width + gap
    return bounded_picture(to_tensor(canvas))


def image_row(*pictures: Float[Tensor, "3 _ _"], gap: int = 8) -> Float[Tensor, "3 H W"]:
    """Lay out pictures from left to right at their own sizes, aligned at the top, on white.

    All are shrunk alike if the row would be larger than MAX_SIDE.
    """
    last = len(pictures) - 1
    height, width = max(p.shape[1] for p in pictures), sum(p.shape[2] for p in pictures)
    scale = min(1.0, MAX_SIDE / height, (MAX_SIDE - last * gap) / width)
    pictures = tuple(_shrunk(p, scale) for p in pictures)
    height = max(p.shape[1] for p in pictures)
    return torch.cat(
        [
            pad(p, (0, gap if i < last else 0, 0, height - p.shape[1]), value=1.0)
            for i, p in enumerate(pictures)
        ],
        2,
    )


def _shrunk(picture: Float[Tensor, "3 h w"], scale: float) -> Float[Tensor, "3 H W"]:
    """The picture at `scale` times its size, or a little smaller; each side is at least 1."""
    height, width = (max(int(scale * side), 1) for side in picture.shape[1:])
    return resized_picture(picture, (height, width))


def stack_with_captions(
    rows: Sequence[tuple[str, Float[Tensor, "3 _ _"]]], text_size: int = 17
) -> Float[Tensor, "3 H W"]:
    """Stack pictures vertically, each below its caption, as wide as the widest of all.

    Args:
        rows: captions and pictures, RGB in [0, 1].
        text_size: in pixels.
    """
    from PIL import Image, ImageDraw

    font, line_height = default_font(text_size), 2 * text_size
    rows = [(text, bounded_picture(picture)) for text, picture in rows]
    width = max(
        *(p.shape[2] for _, p in rows), *(int(font.getlength(text)) + 8 for text, _ in rows)
    )
    canvas = Image.new("RGB", (width, sum(p.shape[1] + line_height for _, p in rows)), "white")
    draw, top = ImageDraw.Draw(canvas), 0
    for text, picture in rows:
        draw.text((2, top + text_size // 2), text, fill="black", font=font)
        canvas.paste(to_pil_image(picture), (0, top + line_height))
        top += line_height + picture.shape[1]
    return bounded_picture(to_tensor(canvas))
