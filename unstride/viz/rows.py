"""Pictures in a row with captions, and a picture as a file."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from unstride.viz.pillow import as_image, as_tensor, font
from unstride.formats.atomic_write import unfinished


def side_by_side(
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
        pictures.append(as_image(image[0]).resize(size, shrink))
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, height + caption), "white")
    draw, x = ImageDraw.Draw(canvas), 0
    for (text, _), picture in zip(images, pictures, strict=True):
        canvas.paste(picture, (x, caption))
        draw.text((x + 2, caption // 6), text, fill="black", font=font(height // 22))
        x += picture.width + gap
    return as_tensor(canvas)


def save_png(image: Float[Tensor, "3 h w"], path: str | Path) -> None:
    """Write RGB in [0, 1] as PNG; the file appears whole or not at all."""
    with unfinished(Path(path)) as beside:
        as_image(image).save(beside, format="PNG")
