"""Explains pixels of an image's features: the cells and weights behind each of them."""

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
from unstride.formats.atomic_write import remove_leftovers
from unstride.formats.errors import error_summary
from unstride.formats.features import save_tensors
from unstride.formats.images import load_image
from unstride.inference.batch_job import output_size, parse_size
from unstride.inference.footprint_picture import footprint_picture, footprint_summary
from unstride.inference.from_names import build_model
from unstride.upsamplers.by_name import FITTED_PER_IMAGE
from unstride.upsamplers.from_words import has_packaged_weights, parse_upsampler
from unstride.viz import save_png


class _UpsampleStep(nn.Module):
    """The second half of a model, callable like an upsampler."""

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
    """Trace pixels of an image back to the backbone's features; see `footprint`.

    Args:
        model: in evaluation mode.
        image: RGB in [0, 1].
        points: (x, y), pixels of the image.
        size: rows and columns of the output; the output pixel that contains the centre of the
            image's pixel is traced. Default: those of the image.

    Raises:
        ValueError: if a point lies outside the image.
    """
    h, w = image.shape[2:]
    for x, y in points:
        if not (0 <= x < w and 0 <= y < h):
            raise ValueError(f"points must be (x, y) inside the image of {w}x{h}, got {x},{y}")
    rows, columns = size or (h, w)
    pixels = [(int((x + 0.5) * columns / w), int((y + 0.5) * rows / h)) for x, y in points]
    with torch.no_grad():
        features = model.backbone(image)
    traced = footprints(_UpsampleStep(model), features, image, points=pixels, size=size)
    for footprint in traced:
        footprint.stages.pop("after upsampler", None)  # the output before cropping to the image
        footprint.stages = {
            name.replace("upsampler.", "", 1): stage for name, stage in footprint.stages.items()
        }
    return traced


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
    """Run `unstride explain`, whose help describes the arguments; return 1 if it fails."""
    try:
        _check_arguments(upsampler, out)
        photo = load_image(image)
        points = [parse_point(text, photo) for text in at]
        result_size = output_size(photo, parse_size(size))
        model, metadata = build_model(
            backbone, upsampler, stride, stages=stages, upsampler_weights=weights
        )
        _print_if_untrained(model, upsampler, weights)
        traced = image_footprints(model, photo, points, result_size)
        picture = footprint_picture(model, photo, points, traced, upsampler)
        metadata |= {"image": Path(image).name, "size": "{}x{}".format(*result_size)}
        metadata |= {"mixes": str(any(footprint.mixes_channels for footprint in traced))}
        out.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out.parent, recursive=False)
        tensors_path = out.with_suffix(".safetensors")
        save_tensors(footprint_tensors(points, traced), tensors_path, metadata)
        save_png(picture, out)
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        print(f"unstride explain: {error_summary(error)}", file=sys.stderr)
        return 1
    for point, footprint in zip(points, traced, strict=True):
        print(footprint_summary(point, footprint))
    print(f"saved the picture to {out} and the weights to {tensors_path}")
    return 0


def _check_arguments(upsampler: str, out: Path) -> None:
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out must end in .png, got {out}")
    name, _ = parse_upsampler(upsampler)
    if name in FITTED_PER_IMAGE:
        raise ValueError(f"{name} cannot be traced: it computes features from position and colour")


def _print_if_untrained(model: DenseFeatures, upsampler: str, weights: Path | None) -> None:
    name, options = parse_upsampler(upsampler)
    is_trained = weights is not None or has_packaged_weights(name, options)
    if not is_trained and _has_parameters(model.upsampler):
        print(f"note: {name} is untrained; load trained weights with --weights FILE")


def parse_point(text: str, image: Tensor) -> tuple[int, int]:
    """Parse "30,20" as the pixel in column 30 and row 20.

    Raises:
        ValueError: if the text is no pixel of the image.
    """
    h, w = image.shape[2:]
    if match := re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", text):
        x, y = (int(number) for number in match.groups())
        if x < w and y < h:
            return x, y
    raise ValueError(f"--at must be X,Y inside the image of {w}x{h}, got {text}")


def footprint_tensors(
    points: Sequence[tuple[int, int]], traced: Sequence[Footprint]
) -> dict[str, Float[Tensor, "h w"]]:
    """Weights by name: "30,20/features", and "30,20/after ..." for the maps in between."""
    tensors = {}
    for (x, y), footprint in zip(points, traced, strict=True):
        for name, on_map in ({"features": footprint} | footprint.stages).items():
            tensors[f"{x},{y}/{name}"] = on_map.weights.contiguous()
    return tensors


def _has_parameters(upsampler: nn.Module) -> bool:
    return next(upsampler.parameters(), None) is not None
