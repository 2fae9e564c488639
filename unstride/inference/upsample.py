"""Upsamples the features of images and writes them as files and pictures: `unstride upsample`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from unstride.device import default_device
from unstride.features.dense_features import DenseFeatures
from unstride.features.implicit import ImplicitFeatures
from unstride.formats.features import open_feature_file
from unstride.formats.images import load_image
from unstride.inference.batch_job import (
    ImageJob,
    RequestedSize,
    output_size,
    parse_size,
    run_batch,
)
from unstride.inference.feature_picture import FeaturePicture
from unstride.inference.from_names import build_model
from unstride.inference.progress import fit_progress_bar, with_progress_bar
from unstride.saving.fingerprint import file_fingerprint
from unstride.tiling.memory_budget import parse_memory, remaining_memory
from unstride.viz import save_png

if TYPE_CHECKING:
    from rich.progress import Progress


def upsample_files(
    images: list[str],
    out: Path,
    *,
    size: str | None,
    backbone: str,
    upsampler: str,
    stride: int | None,
    dtype: str,
    device: str | None,
    picture: bool,
    weights: Path | None = None,
    backbone_weights: Path | None = None,
    steps: int | None = None,
    memory: str | None = None,
) -> int:
    """Run `unstride upsample`, whose help describes the arguments; return 1 if any image fails."""

    def make_job() -> UpsampleJob:
        requested_size, memory_limit = parse_size(size), parse_memory(memory)
        torch_device = default_device(device)
        model, metadata = build_model(
            backbone, upsampler, stride, upsampler_weights=weights,
            backbone_weights=backbone_weights, fit_steps=steps,
        )  # fmt: skip
        metadata |= {"dtype": dtype}
        return UpsampleJob(
            model.to(torch_device), metadata, requested_size, memory_limit, write_picture=picture
        )

    return run_batch("upsample", images, out, make_job)


@dataclass
class UpsampleJob(ImageJob):
    """Writes the features of each image, and a picture of them.

    Args:
        model: backbone and upsampler.
        metadata: what identifies the model, and the file's dtype.
        requested_size: size of the result.
        memory_limit: bytes that the process may use; None for the default of `remaining_memory`.
        write_picture: whether to write a picture.
    """

    model: DenseFeatures
    metadata: dict[str, str]
    requested_size: RequestedSize
    memory_limit: int | None
    write_picture: bool

    @torch.inference_mode()
    def run(self, image_path: Path, output_stem: Path, progress: Progress) -> None:
        """Write OUTPUT_STEM.safetensors and OUTPUT_STEM.png."""
        image = load_image(image_path)
        size = output_size(image, self.requested_size)
        metadata = self.metadata | {
            "image": image_path.name, "photograph": file_fingerprint(image_path),
            "image_size": f"{image.shape[2]}x{image.shape[3]}", "size": f"{size[0]}x{size[1]}",
        }  # fmt: skip
        if _is_up_to_date(output_stem, metadata, self.write_picture):
            return
        if isinstance(self.model, ImplicitFeatures):
            self.model.on_progress = fit_progress_bar(progress)
        image = image.to(next(iter(self.model.parameters())).device)
        coarse = self.model.backbone(image)
        picture = FeaturePicture(coarse, size) if self.write_picture else None
        tile_memory = remaining_memory(self.memory_limit, image.device)
        tiles = self.model.iter_tiles(coarse, image, size, tile_memory)
        output_stem.parent.mkdir(parents=True, exist_ok=True)
        features_path = _with_suffix(output_stem, "safetensors")
        shape, dtype = (coarse.shape[1], *size), getattr(torch, self.metadata["dtype"])
        with open_feature_file(features_path, shape, dtype, metadata) as file:
            for tile in with_progress_bar(tiles, image_path.name, progress):
                file.write(tile.rows, tile.columns, tile.features[0])
                if picture is not None:
                    picture.add_tile(tile)
            if picture is not None:
                save_png(self._compose(picture, image), _with_suffix(output_stem, "png"))

    def _compose(self, picture: FeaturePicture, image: Tensor) -> Tensor:
        padded_size = self.model.backbone.padded_size((image.shape[2], image.shape[3]))
        features_caption = f"features, stride {self.model.backbone.stride}"
        return picture.compose(image, padded_size, features_caption, self.metadata["upsampler"])


def _is_up_to_date(output_stem: Path, metadata: dict[str, str], write_picture: bool) -> bool:
    """Whether the files exist and the features were made with the same."""
    if write_picture and not _with_suffix(output_stem, "png").is_file():
        return False
    with (
        contextlib.suppress(OSError, SafetensorError),
        safe_open(_with_suffix(output_stem, "safetensors"), framework="pt") as file,
    ):
        return file.metadata() == metadata
    return False


def _with_suffix(output_stem: Path, suffix: str) -> Path:
    return output_stem.with_name(f"{output_stem.name}.{suffix}")
