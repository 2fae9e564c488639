"""Lays a foreground over a colour or a picture."""

from pathlib import Path

from torch import Tensor

from unstride.formats.images import IMAGE_SUFFIXES, load_image
from unstride.transforms.resize import resize_bilinear


def parse_background(text: str) -> Tensor | None:
    """The colour "3 1 1" or the picture "3 h w" that a user names; None if none is named.

    Raises:
        ValueError: if it is neither.
    """
    if not text:
        return None
    if Path(text).suffix.lower() in IMAGE_SUFFIXES:
        return load_image(text)[0]
    from unstride.viz.pillow import parse_colour

    return parse_colour(text)


def composite(colours: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    """The foreground over a colour, or over a picture that is cropped to the image's shape.

    Args:
        colours: of the foreground, "3 h w" in [0, 1].
        alpha: "h w".
        background: "3 1 1", or "3 H W".
    """
    h, w = alpha.shape
    if background.shape[1:] != (1, 1):
        scale = max(h / background.shape[1], w / background.shape[2])
        size = (
            max(round(scale * background.shape[1]), h),
            max(round(scale * background.shape[2]), w),
        )
        resized = resize_bilinear(background[None], size)[0].clamp(0, 1)
        top, left = (size[0] - h) // 2, (size[1] - w) // 2
        background = resized[:, top : top + h, left : left + w]
    return alpha * colours + (1 - alpha) * background
