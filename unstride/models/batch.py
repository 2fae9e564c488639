"""Many images to many files: resumable, whole files only, one bad image spoils nothing."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from unstride.data import find_images, load_image
from unstride.models.chosen import build
from unstride.models.dense_features import DenseFeatures
from unstride.models.feature_file import feature_file
from unstride.models.implicit import ImplicitFeatures, bar_of_fit
from unstride.models.memory import parse_memory, room
from unstride.models.picture import Picture
from unstride.models.pieces import Pieces
from unstride.upsamplers.tiles import Piece
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
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    try:
        paths = find_images(images)
        wanted, allowed = parse_size(size), parse_memory(memory)
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        model, described = build(
            backbone, upsampler, stride, weights=weights, backbone_weights=backbone_weights,
            steps=steps,
        )  # fmt: skip
        model = model.to(chosen)
    except (ValueError, OSError, RuntimeError) as error:
        console.print(f"unstride upsample: {error}", style="red", highlight=False, soft_wrap=True)
        return 1

    failed: list[str] = []
    described |= {"dtype": dtype}
    columns = (
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:],
        MofNCompleteColumn(),
    )
    with Progress(*columns, console=console) as progress:
        if isinstance(model, ImplicitFeatures):
            model.watch = bar_of_fit(progress)
        for path, target in progress.track(
            list(zip(paths, _targets(paths, out), strict=True)), description="upsample"
        ):
            try:
                _one(
                    model,
                    path,
                    target,
                    described,
                    wanted=wanted,
                    memory=allowed,
                    picture=picture,
                    progress=progress,
                )
            except (ValueError, OSError, MemoryError, RuntimeError) as error:
                failed.append(f"{path}: {str(error).removeprefix(f'{path}: ').splitlines()[0]}")
    for line in failed:
        console.print(f"not done: {line}", style="red", highlight=False, soft_wrap=True)
    console.print(
        f"{len(paths) - len(failed)} of {len(paths)} images are in {out}/", highlight=False
    )
    return 1 if failed else 0


def parse_size(text: str | None) -> tuple[int, int] | int | None:
    """ "480x640" is a size, "480" a shorter side, nothing the image's own.

    Raises:
        ValueError: if it is none of these.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", str(text)):
        height, width = match.groups()
        return int(height) if width is None else (int(height), int(width))
    raise ValueError(f"size must be HEIGHTxWIDTH or one number of pixels, got {text!r}")


def output_size(image: Tensor, wanted: tuple[int, int] | int | None) -> tuple[int, int]:
    """The size of the result for this image."""
    h, w = image.shape[2:]
    if wanted is None:
        return h, w
    if isinstance(wanted, int):
        shorter = min(h, w)
        return max(round(h * wanted / shorter), 1), max(round(w * wanted / shorter), 1)
    return wanted


@torch.inference_mode()
def _one(
    model: DenseFeatures,
    path: Path,
    target: Path,
    described: dict[str, str],
    *,
    wanted: tuple[int, int] | int | None,
    memory: int | None,
    picture: bool,
    progress: Progress,
) -> None:
    image = load_image(path)
    size = output_size(image, wanted)
    metadata = described | {"image": path.name, "size": f"{size[0]}x{size[1]}"}
    if _is_done(target, metadata, picture):
        return
    image = image.to(next(iter(model.parameters())).device)
    coarse = model.backbone(image)
    shown = Picture(coarse, size) if picture else None
    pieces = model.pieces(coarse, image, size, room(memory, image.device))
    target.parent.mkdir(parents=True, exist_ok=True)
    shape, dtype = (coarse.shape[1], *size), getattr(torch, described["dtype"])
    with feature_file(_beside(target, "safetensors"), shape, dtype, metadata) as file:
        for piece in followed(pieces, path.name, progress):
            file.write(piece.rows, piece.columns, piece.features[0])
            if shown is not None:
                shown.add(piece)
        if shown is not None:
            padded = model.backbone.padded_size((image.shape[2], image.shape[3]))
            names = f"features, stride {model.backbone.stride}", described["upsampler"]
            save_png(shown.beside(image, padded, *names), _beside(target, "png"))


def followed(pieces: Pieces, name: str, progress: Progress) -> Iterator[Piece]:
    """The pieces, with a bar of their own if there are several."""
    if len(pieces) == 1:
        yield from pieces
        return
    task = progress.add_task(name, total=len(pieces))
    try:
        for piece in pieces:
            yield piece
            progress.advance(task)
    finally:
        progress.remove_task(task)


def _is_done(target: Path, metadata: dict[str, str], picture: bool) -> bool:
    if picture and not _beside(target, "png").is_file():
        return False
    with (
        contextlib.suppress(OSError, SafetensorError),
        safe_open(_beside(target, "safetensors"), framework="pt") as file,
    ):
        return file.metadata() == metadata
    return False


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f"{target.name}.{suffix}")


def _targets(paths: list[Path], out: Path) -> list[Path]:
    """Where each result goes, without suffix: by its name alone, if that tells all apart."""
    root = Path(os.path.commonpath([p.resolve().parent for p in paths]))
    below = [p.resolve().relative_to(root) for p in paths]
    for named in ([Path(p.stem) for p in paths], [p.with_suffix("") for p in below], below):
        if len(set(named)) == len(named):
            return [out / name for name in named]
    raise AssertionError("find_images names each file once")
