"""Draws detections over an image: masks, boxes, class names and scores."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.viz.label_overlay import OPACITY, blend_labels, mark_boundaries
from unstride.viz.legend import to_rgb_bytes
from unstride.viz.palette import segment_colours
from unstride.viz.picture_size import bounded_picture
from unstride.viz.pillow import default_font, font_size, line_width, to_pil_image, to_tensor

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
TextBox = tuple[int, int, int, int]  # the same, of a caption
LUMA_WEIGHTS = 0.299, 0.587, 0.114  # of red, green and blue
BLACK_TEXT_LUMA = 0.55  # captions on colours brighter than this are black, others white


def detection_overlay(
    image: Float[Tensor, "3 h w"], detections: Mapping[str, Tensor], class_names: Sequence[str]
) -> Float[Tensor, "3 H W"]:
    """Draw masks (if there are any), boxes, and class names with scores; high scores on top.

    A caption is placed on its box, or inside it, where it covers no other caption. It is left out
    if there is no such place. The picture is shrunk if a side would be longer than MAX_SIDE.

    Args:
        image: RGB in [0, 1].
        detections: in the format of torchvision's detectors: `boxes` (XYXY in pixels), `labels`
            (from 1), `scores`, and optionally `masks` ("n 1 h w" in [0, 1], the edge is at 1/2).
        class_names: name of each class; label l has the l-th name.
    """
    order = detections["scores"].argsort(descending=True, stable=True).tolist()
    indices = [int(detections["labels"][i]) - 1 for i in order]
    colours, picture = segment_colours(indices, class_names), image
    if "masks" in detections:
        picture = _draw_masks(image, detections["masks"][order], colours)
    scores = [float(detections["scores"][i]) for i in order]
    canvas = to_pil_image(picture)
    draw_boxes(
        canvas,
        [tuple(detections["boxes"][i].tolist()) for i in order],
        [f"{class_names[c]} {score:.2f}" for c, score in zip(indices, scores, strict=True)],
        colours,
    )
    return bounded_picture(to_tensor(canvas)).to(image)


def draw_boxes(
    canvas: Any, boxes: Sequence[Box], captions: Sequence[str], colours: Float[Tensor, "n 3"]
) -> None:
    """Draw boxes and their captions on a Pillow image, the first box on top."""
    from PIL import ImageDraw

    draw, width = ImageDraw.Draw(canvas), line_width(canvas.height, canvas.width) + 1
    fills = [to_rgb_bytes(colour) for colour in colours.tolist()]
    for (left, top, right, bottom), fill in reversed(list(zip(boxes, fills, strict=True))):
        draw.rectangle([left, top, max(right, left), max(bottom, top)], outline=fill, width=width)
    occupied: list[TextBox] = []
    for box, caption, fill in zip(boxes, captions, fills, strict=True):
        _draw_caption(draw, box, caption, fill, occupied)


def _draw_masks(
    image: Tensor, masks: Float[Tensor, "n 1 h w"], colours: Float[Tensor, "n 3"]
) -> Tensor:
    """Blend masks in their colours into an image, the first mask on top."""
    labels = torch.full(image.shape[1:], -1, device=masks.device)
    for index in reversed(range(len(masks))):
        labels[masks[index, 0] >= 0.5] = index
    picture = blend_labels(image, labels, colours, opacity=OPACITY)
    return mark_boundaries(picture, labels, width=line_width(*labels.shape))


def _draw_caption(
    draw: "ImageDraw",
    box: Box,
    caption: str,
    fill: tuple[int, int, int],
    occupied: list[TextBox],
) -> None:
    """Write a caption at the first free place near a box and add that place to `occupied`."""
    image_width, image_height = draw.im.size
    size = font_size(image_height, image_width)
    font = default_font(size)
    width, height = round(font.getlength(caption)) + size // 2, round(1.25 * size)
    for x, y in _caption_corners(box, width, height):
        x = min(max(x, 0), max(image_width - width, 0))
        place = x, y, x + width, y + height
        is_free = not any(_is_overlapping(place, other) for other in occupied)
        if 0 <= y <= image_height - height and is_free:
            draw.rectangle(place, fill=fill)
            luma = sum(w * v for w, v in zip(LUMA_WEIGHTS, fill, strict=True)) / 255
            text_colour = "black" if luma > BLACK_TEXT_LUMA else "white"
            middle = x + size // 4, y + height / 2
            draw.text(middle, caption, fill=text_colour, font=font, anchor="lm")
            occupied.append(place)
            return


def _caption_corners(box: Box, width: int, height: int) -> list[tuple[int, int]]:
    """Candidate left and top of a caption: above the box, inside its top or bottom, below it."""
    left, top, right, bottom = (round(v) for v in box)
    rows = top - height, top, bottom - height, bottom
    return [(x, y) for y in rows for x in (left, right - width)]


def _is_overlapping(one: TextBox, other: TextBox) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
