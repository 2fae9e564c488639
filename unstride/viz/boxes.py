"""Objects over the photograph: boxes, masks, and what they are with which score."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.viz.label_overlay import OPACITY, blend_labels, mark_boundaries
from unstride.viz.legend import to_rgb_bytes
from unstride.viz.palette import segment_colours
from unstride.viz.pillow import default_font, font_size, line_width, to_pil_image, to_tensor

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Box = tuple[float, float, float, float]  # left, top, right, bottom
TextBox = tuple[int, int, int, int]  # the same, of a text
BLACK_TEXT_LUMA = 0.55  # above it letters are black


def detection_overlay(
    image: Float[Tensor, "3 h w"], found: Mapping[str, Tensor], classes: Sequence[str]
) -> Float[Tensor, "3 h w"]:
    """Masks, if there are any, boxes, and names with scores; better ones lie over others.

    A name stands on its box, or in it, wherever it covers no other; where there is no such place,
    it is left out.

    Args:
        image: RGB in [0, 1].
        found: `boxes` (XYXY in pixels), `labels` (from 1), `scores`, and `masks` ("n 1 h w" in
            [0, 1], 1/2 is the edge) if any; such as a detector of torchvision's finds.
        classes: their names; that of label l is the l-th.
    """
    best = found["scores"].argsort(descending=True, stable=True).tolist()
    numbers = [int(found["labels"][i]) - 1 for i in best]
    colours, picture = segment_colours(numbers, classes), image
    if "masks" in found:
        picture = _draw_masks(image, found["masks"][best], colours)
    canvas = to_pil_image(picture)
    draw_boxes(
        canvas,
        [tuple(found["boxes"][i].tolist()) for i in best],
        [f"{classes[n]} {found['scores'][i]:.2f}" for n, i in zip(numbers, best, strict=True)],
        colours,
    )
    return to_tensor(canvas).to(image)


def draw_boxes(
    canvas: Any, boxes: Sequence[Box], texts: Sequence[str], colours: Float[Tensor, "n 3"]
) -> None:
    """Draw boxes and their names on an image of Pillow, the first on top of the others."""
    from PIL import ImageDraw

    draw, wide = ImageDraw.Draw(canvas), line_width(canvas.height, canvas.width) + 1
    shown = [to_rgb_bytes(colour) for colour in colours.tolist()]
    for (left, top, right, bottom), colour in reversed(list(zip(boxes, shown, strict=True))):
        draw.rectangle([left, top, max(right, left), max(bottom, top)], outline=colour, width=wide)
    taken: list[Box] = []
    for box, text, colour in zip(boxes, texts, shown, strict=True):
        _draw_caption(draw, box, text, colour, taken)


def _draw_masks(
    image: Tensor, masks: Float[Tensor, "n 1 h w"], colours: Float[Tensor, "n 3"]
) -> Tensor:
    """The masks in their colours, the first on top of the others."""
    numbers = torch.full(image.shape[1:], -1, device=masks.device)
    for place in reversed(range(len(masks))):
        numbers[masks[place, 0] >= 0.5] = place
    picture = blend_labels(image, numbers, colours, opacity=OPACITY)
    return mark_boundaries(picture, numbers, width=line_width(*numbers.shape))


def _draw_caption(
    draw: "ImageDraw", box: Box, text: str, colour: tuple[int, int, int], taken: list
) -> None:
    """Write a text at a box, at the first place that is free, and note that it is taken."""
    width, height = draw.im.size
    size = font_size(height, width)
    written = default_font(size)
    wide, high = round(written.getlength(text)) + size // 2, round(1.25 * size)
    for x, y in _caption_corners(box, wide, high):
        x = min(max(x, 0), max(width - wide, 0))
        place = x, y, x + wide, y + high
        if 0 <= y <= height - high and not any(_is_overlapping(place, other) for other in taken):
            draw.rectangle(place, fill=colour)
            light = sum(w * v for w, v in zip((0.299, 0.587, 0.114), colour, strict=True)) / 255
            middle = x + size // 4, y + high / 2
            ink = "black" if light > BLACK_TEXT_LUMA else "white"
            draw.text(middle, text, fill=ink, font=written, anchor="lm")
            taken.append(place)
            return


def _caption_corners(box: Box, wide: int, high: int) -> list[tuple[int, int]]:
    """Left and top of a text: on the box, within its top, within its bottom, under it."""
    left, top, right, bottom = (round(v) for v in box)
    rows = top - high, top, bottom - high, bottom
    return [(x, y) for y in rows for x in (left, right - wide)]


def _is_overlapping(one: TextBox, other: TextBox) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
