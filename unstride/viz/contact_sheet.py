"""Draws many labelled images on one sheet, with one legend of their classes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from unstride.viz.boxes import draw_boxes
from unstride.viz.depth import depth_colours, depth_limits
from unstride.viz.label_overlay import blend_labels, mark_boundaries
from unstride.viz.legend import LegendEntry, legend_strip
from unstride.viz.palette import class_palette
from unstride.viz.picture_size import fitted_size, resized_picture
from unstride.viz.pillow import to_pil_image, to_tensor
from unstride.viz.rows import image_row, stack_with_captions

TILE_SIZE = 180, 240  # height and width into which each image is fitted, in pixels
COLUMNS = 4
GAP = 8  # between images, in pixels
TEXT_SIZE = 13  # of captions and of the legend, in pixels


def labels_tile(
    image: Float[Tensor, "3 h w"], labels: Int64[Tensor, "h w"], class_names: Sequence[str]
) -> Float[Tensor, "3 H W"]:
    """A small picture of an image with the colours of its classes over it.

    Args:
        image: RGB in [0, 1].
        labels: classes from 0. Pixels with any other value show the image.
        class_names: name of each class.
    """
    picture = _tile(image)
    small = _nearest(labels, picture)
    blended = blend_labels(picture, small, class_palette(class_names))
    return mark_boundaries(blended, small, width=1)


def boxes_tile(
    image: Float[Tensor, "3 h w"],
    boxes: Float[Tensor, "n 4"],
    classes: Sequence[int],
    class_names: Sequence[str],
    labels: Int64[Tensor, "h w"] | None = None,
) -> Float[Tensor, "3 H W"]:
    """A small picture of an image with boxes and their class names, over masks if there are any.

    Args:
        image: RGB in [0, 1].
        boxes: XYXY, in pixels of the image.
        classes: class of each box, from 0.
        class_names: name of each class.
        labels: class of each pixel, from 0; other values show the image. Default: no masks.
    """
    picture = _tile(image) if labels is None else labels_tile(image, labels, class_names)
    scale = torch.tensor([picture.shape[2] / image.shape[2], picture.shape[1] / image.shape[1]])
    canvas = to_pil_image(picture)
    draw_boxes(
        canvas,
        [tuple(box) for box in (boxes * scale.repeat(2)).tolist()],
        [class_names[c] for c in classes],
        class_palette(class_names)[list(classes)],
    )
    return to_tensor(canvas)


def depth_tile(
    image: Float[Tensor, "3 h w"], depth: Float[Tensor, "h w"]
) -> Float[Tensor, "3 H W"]:
    """A small picture of an image, and one of its depth beside it; near is light, far is dark."""
    picture = _tile(image)
    return image_row(picture, depth_colours(_nearest(depth, picture), depth_limits(depth)), gap=0)


def contact_sheet(
    tiles: Sequence[tuple[str, Float[Tensor, "3 _ _"]]],
    class_names: Sequence[str] = (),
    columns: int = COLUMNS,
) -> Float[Tensor, "3 H W"]:
    """Lay out captioned pictures in rows, with a legend of the classes below them.

    Args:
        tiles: captions and pictures, RGB in [0, 1]; at least one.
        class_names: classes in the legend; all of them have their colour of `class_palette`.
        columns: pictures in a row.
    """
    captioned = [stack_with_captions([tile], TEXT_SIZE) for tile in tiles]
    width = max(tile.shape[2] for tile in captioned)
    captioned = [pad(tile, (0, width - tile.shape[2]), value=1.0) for tile in captioned]
    rows = [image_row(*captioned[i : i + columns], gap=GAP) for i in range(0, len(tiles), columns)]
    entries = [
        LegendEntry(name, tuple(colour))
        for name, colour in zip(class_names, class_palette(class_names).tolist(), strict=True)
    ]
    widest = max(row.shape[2] for row in rows)
    parts = [*rows, legend_strip(entries, widest, TEXT_SIZE)] if entries else rows
    return torch.cat([pad(part, (0, widest - part.shape[2]), value=1.0) for part in parts], 1)


def _tile(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 H W"]:
    return resized_picture(image, fitted_size((image.shape[1], image.shape[2]), TILE_SIZE))


def _nearest(values: Tensor, picture: Tensor) -> Tensor:
    """The values at the centres of a picture's pixels."""
    rows, columns = (
        ((torch.arange(target) + 0.5) * size / target).long()
        for target, size in zip(picture.shape[1:], values.shape, strict=True)
    )
    return values[rows][:, columns]
