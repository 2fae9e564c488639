"""Where a pixel of an image's features takes its value from: as numbers, a picture and files."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.analysis.footprint import Footprint, footprints
from unstride.features.dense_features import DenseFeatures
from unstride.formats.features import save_tensors
from unstride.formats.images import load_image
from unstride.inference.from_names import build_model
from unstride.inference.upsample import output_size, parse_size
from unstride.upsamplers.by_name import FITTED_PER_IMAGE
from unstride.upsamplers.from_words import (
    has_packaged_weights,
    parse_upsampler,
)
from unstride.viz import captioned_row, save_png
from unstride.viz.footprint import (
    draw_footprint,
    footprint_box,
)
from unstride.viz.rows import stack_with_captions

PICTURE_HEIGHT = 400  # of each picture in a row, in pixels
ZOOM_THRESHOLD = 4  # how much smaller a stage's footprint must be to have a view of its own


class _UpsampleStep(nn.Module):
    """A model's second half, called as an upsampler is."""

    def __init__(self, model: DenseFeatures):
        super().__init__()
        self.upsampler, self.upsample = model.upsampler, model.upsample

    def forward(self, features, guide=None, size=None):
        return self.upsample(features, guide, size)


def image_footprints(
    model: DenseFeatures,
    image: Float[Tensor, "1 3 h w"],
    points: Sequence[tuple[int, int]],
    size: tuple[int, int] | None = None,
) -> list[Footprint]:
    """For pixels of the image, which features make up the output there; see `footprint`.

    Args:
        model: in evaluation mode.
        image: RGB in [0, 1].
        points: (x, y), pixels of the image.
        size: rows and columns of the output, by default the image's; its pixel that holds the
            centre of the image's is explained.
    """
    h, w = image.shape[2:]
    for x, y in points:
        if not (0 <= x < w and 0 <= y < h):
            raise ValueError(f"at must be (x, y) inside the image of {w}x{h}, got {x},{y}")
    rows, columns = size or (h, w)
    inside = [(int((x + 0.5) * columns / w), int((y + 0.5) * rows / h)) for x, y in points]
    with torch.no_grad():
        features = model.backbone(image)
    found = footprints(_UpsampleStep(model), features, image, points=inside, size=size)
    for one in found:
        one.stages.pop("after upsampler", None)  # the output, before it is cropped to the image
        one.stages = {name.replace("upsampler.", "", 1): s for name, s in one.stages.items()}
    return found


def footprint_picture(
    model: DenseFeatures,
    image: Float[Tensor, "1 3 h w"],
    points: Sequence[tuple[int, int]],
    found: Sequence[Footprint],
    name: str,
) -> Float[Tensor, "3 H W"]:
    """A row for each point: the photograph, a closer view, and one on each grid between."""
    covered = model.backbone.padded_size((image.shape[2], image.shape[3]))
    rows = []
    for (x, y), one in zip(points, found, strict=True):
        point, cell = (x + 0.5, y + 0.5), _cell_size(one, covered)
        box, (gh, gw) = footprint_box(one.weights, cell, point), one.weights.shape
        views = [
            (
                f"{name}: {gw} x {gh} cells of features",
                draw_footprint(
                    image, one.weights, cell, point,
                    box=(0.0, 0.0, float(covered[1]), float(covered[0])), height=PICTURE_HEIGHT,
                ),
            ),
            ("closer", draw_footprint(
                image, one.weights, cell, point, box=box, height=PICTURE_HEIGHT
            )),
        ]  # fmt: skip
        for stage, on_stage in one.stages.items():
            views.append(_stage_view(stage, on_stage, image, covered, point, box))
        rows.append((footprint_summary((x, y), one), captioned_row(views, PICTURE_HEIGHT)))
    return stack_with_captions(rows)


def _stage_view(stage: str, one: Footprint, image, covered, point, box) -> tuple[str, Tensor]:
    """In the same box as the features, or much closer if it would be a speck there."""
    (gh, gw), cell = one.weights.shape, _cell_size(one, covered)
    own = footprint_box(one.weights, cell, point)
    times = (box[2] - box[0]) / (own[2] - own[0])
    caption = f"{stage}: {gw} x {gh}"
    if times > ZOOM_THRESHOLD:
        box, caption = own, f"{caption}, {times:.0f} x closer"
    return caption, draw_footprint(image, one.weights, cell, point, box=box, height=PICTURE_HEIGHT)


def footprint_summary(point: tuple[int, int], one: Footprint) -> str:
    """The strongest cells of a footprint, and their sum."""
    cells = ", ".join(f"({x}, {y}) {weight:.3g}" for x, y, weight in one.strongest(4))
    kind = "channels mix: sizes" if one.mixes else "weights"
    return f"pixel {point[0]},{point[1]}: {kind} sum to {one.total:.4g}; strongest cells {cells}"


def explain_file(
    image: str,
    at: Sequence[str],
    *,
    upsampler: str,
    backbone: str,
    stride: int | None,
    stages: int,
    weights: Path | None,
    size: str | None,
    out: Path,
) -> int:
    """What `unstride explain` does; see there. Returns 1 if it could not be done."""
    try:
        if out.suffix.lower() != ".png":
            raise ValueError(f"--out must end in .png, got {out}")
        word, options = parse_upsampler(upsampler)
        if word in FITTED_PER_IMAGE:
            raise ValueError(f"{word} reads place and colour, not cells: nothing to trace")
        photo = load_image(image)
        points = [parse_point(text, photo) for text in at]
        wanted = output_size(photo, parse_size(size))
        model, described = build_model(backbone, upsampler, stride, stages=stages, weights=weights)
        trained = weights is not None or has_packaged_weights(word, options)
        if not trained and _has_parameters(model.upsampler):
            print(f"note: {word} is untrained; --weights FILE gives it trained weights")
        found = image_footprints(model, photo, points, wanted)
        drawn = footprint_picture(model, photo, points, found, upsampler)
        out.parent.mkdir(parents=True, exist_ok=True)
        described |= {"image": Path(image).name, "size": "{}x{}".format(*wanted)}
        described |= {"mixes": str(any(one.mixes for one in found))}
        save_tensors(
            footprint_tensors(points, found), data := out.with_suffix(".safetensors"), described
        )
        save_png(drawn, out)
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        print(f"unstride explain: {(str(error) or 'no memory').splitlines()[0]}", file=sys.stderr)
        return 1
    for point, one in zip(points, found, strict=True):
        print(footprint_summary(point, one))
    print(f"{out} shows it, {data} has the weights")
    return 0


def parse_point(text: str, image: Tensor) -> tuple[int, int]:
    """ "30,20" is the pixel in column 30 and row 20.

    Raises:
        ValueError: if it is none of the image's.
    """
    h, w = image.shape[2:]
    if match := re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", text):
        x, y = (int(number) for number in match.groups())
        if x < w and y < h:
            return x, y
    raise ValueError(f"--at must be X,Y inside the image of {w}x{h}, got {text}")


def footprint_tensors(
    points: Sequence[tuple[int, int]], found: Sequence[Footprint]
) -> dict[str, Float[Tensor, "h w"]]:
    """By name: "30,20/features", and "30,20/after ..." for the grids between."""
    tensors = {}
    for (x, y), one in zip(points, found, strict=True):
        for name, on_grid in ({"features": one} | one.stages).items():
            tensors[f"{x},{y}/{name}"] = on_grid.weights.contiguous()
    return tensors


def _cell_size(one: Footprint, covered: tuple[int, int]) -> tuple[float, float]:
    """Height and width of a cell, in pixels of the image."""
    return covered[0] / one.weights.shape[0], covered[1] / one.weights.shape[1]


def _has_parameters(upsampler: nn.Module) -> bool:
    return next(upsampler.parameters(), None) is not None
