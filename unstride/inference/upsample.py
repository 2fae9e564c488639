"""Features of many images as files, and pictures of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

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
    """What `unstride upsample` does; see there. Returns 1 if any image could not be done."""

    def prepare() -> UpsampleJob:
        wanted, allowed = parse_size(size), parse_memory(memory)
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        model, described = build_model(
            backbone, upsampler, stride, weights=weights, backbone_weights=backbone_weights,
            steps=steps,
        )  # fmt: skip
        described |= {"dtype": dtype}
        return UpsampleJob(model.to(chosen), described, wanted, allowed, picture)

    return run_batch("upsample", images, out, prepare)


@dataclass
class UpsampleJob(ImageJob):
    """Writes an image's features and a picture of them.

    Args:
        model: backbone and upsampler.
        described: what they are, and the file's dtype.
        wanted: size of the result.
        memory: that the process may take, in bytes.
        picture: write one.
    """

    model: DenseFeatures
    described: dict[str, str]
    wanted: RequestedSize
    memory: int | None
    picture: bool

    @torch.inference_mode()
    def one(self, path: Path, target: Path, progress: Progress) -> None:
        """Write TARGET.safetensors and TARGET.png."""
        model, image = self.model, load_image(path)
        if isinstance(model, ImplicitFeatures):
            model.watch = fit_progress_bar(progress)
        size = output_size(image, self.wanted)
        metadata = self.described | {"image": path.name, "size": f"{size[0]}x{size[1]}"}
        metadata["photograph"] = file_fingerprint(path)
        if _is_up_to_date(target, metadata, self.picture):
            return
        image = image.to(next(iter(model.parameters())).device)
        coarse = model.backbone(image)
        shown = FeaturePicture(coarse, size) if self.picture else None
        pieces = model.pieces(coarse, image, size, remaining_memory(self.memory, image.device))
        target.parent.mkdir(parents=True, exist_ok=True)
        shape, dtype = (coarse.shape[1], *size), getattr(torch, self.described["dtype"])
        with open_feature_file(_with_suffix(target, "safetensors"), shape, dtype, metadata) as file:
            for piece in with_progress_bar(pieces, path.name, progress):
                file.write(piece.rows, piece.columns, piece.features[0])
                if shown is not None:
                    shown.add(piece)
            if shown is not None:
                padded = model.backbone.padded_size((image.shape[2], image.shape[3]))
                names = f"features, stride {model.backbone.stride}", self.described["upsampler"]
                save_png(shown.beside(image, padded, *names), _with_suffix(target, "png"))


def _is_up_to_date(target: Path, metadata: dict[str, str], picture: bool) -> bool:
    if picture and not _with_suffix(target, "png").is_file():
        return False
    with (
        contextlib.suppress(OSError, SafetensorError),
        safe_open(_with_suffix(target, "safetensors"), framework="pt") as file,
    ):
        return file.metadata() == metadata
    return False


def _with_suffix(target: Path, suffix: str) -> Path:
    return target.with_name(f"{target.name}.{suffix}")
