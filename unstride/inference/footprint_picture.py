"""Draws and describes traced footprints: a row of views and a sentence for each point."""

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor

from unstride.analysis.footprint import Footprint
from unstride.features.dense_features import DenseFeatures
from unstride.viz import captioned_row
from unstride.viz.boxes import Box
from unstride.viz.footprint import draw_footprint, footprint_box
from unstride.viz.rows import stack_with_captions

PICTURE_HEIGHT = 400  # of each picture in a row, in pixels
ZOOM_THRESHOLD = 4  # a stage whose footprint is smaller by more than this has its own view


def footprint_picture(
    model: DenseFeatures,
    image: Float[Tensor, "1 3 h w"],
    points: Sequence[tuple[int, int]],
    traced: Sequence[Footprint],
    upsampler_name: str,
) -> Float[Tensor, "3 H W"]:
    """Draw a row for each point: the image, a closer view, and one view of each map in between.

    Args:
        model: the model that was traced.
        image: RGB in [0, 1].
        points: (x, y), pixels of the image.
        traced: the footprint of each point.
        upsampler_name: for the caption.
    """
    padded_size = model.backbone.padded_size((image.shape[2], image.shape[3]))
    padded_box = (0.0, 0.0, float(padded_size[1]), float(padded_size[0]))
    draw = partial(draw_footprint, image, height=PICTURE_HEIGHT)
    rows = []
    for (x, y), footprint in zip(points, traced, strict=True):
        centre, cell = (x + 0.5, y + 0.5), _cell_size(footprint, padded_size)
        box, (gh, gw) = footprint_box(footprint.weights, cell, centre), footprint.weights.shape
        caption = f"{upsampler_name}: {gw} x {gh} cells of features"
        views = [
            (caption, draw(footprint.weights, cell, centre, box=padded_box)),
            ("closer", draw(footprint.weights, cell, centre, box=box)),
        ]
        for name, stage in footprint.stages.items():
            stage_cell = _cell_size(stage, padded_size)
            caption, stage_box = _stage_view(name, stage, stage_cell, centre, box)
            views.append((caption, draw(stage.weights, stage_cell, centre, box=stage_box)))
        summary = footprint_summary((x, y), footprint)
        rows.append((summary, captioned_row(views, PICTURE_HEIGHT)))
    return stack_with_captions(rows)


def _stage_view(
    name: str,
    stage: Footprint,
    cell: tuple[float, float],
    centre: tuple[float, float],
    box: Box,
) -> tuple[str, Box]:
    """Caption and box of a stage: the box of the features, or a closer one for a small footprint.

    Args:
        box: the box of the features.
    """
    gh, gw = stage.weights.shape
    own_box = footprint_box(stage.weights, cell, centre)
    zoom = (box[2] - box[0]) / (own_box[2] - own_box[0])
    caption = f"{name}: {gw} x {gh}"
    if zoom > ZOOM_THRESHOLD:
        return f"{caption}, {zoom:.0f} x closer", own_box
    return caption, box


def footprint_summary(point: tuple[int, int], footprint: Footprint) -> str:
    """One sentence with the sum of the weights and the strongest cells."""
    strongest = footprint.strongest_cells(4)
    cells = ", ".join(f"({x}, {y}) {weight:.3g}" for x, y, weight in strongest)
    kind = "channels mix: sizes" if footprint.mixes_channels else "weights"
    total = f"{kind} sum to {footprint.weight_sum:.4g}"
    return f"pixel {point[0]},{point[1]}: {total}; strongest cells {cells}"


def _cell_size(footprint: Footprint, padded_size: tuple[int, int]) -> tuple[float, float]:
    """Height and width of a cell, in pixels of the image."""
    rows, columns = footprint.weights.shape
    return padded_size[0] / rows, padded_size[1] / columns
