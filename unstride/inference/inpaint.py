"""Fills the holes of images and writes them: `unstride inpaint`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstride.device import default_device
from unstride.formats.editable_image import EditableImage, load_editable
from unstride.formats.masks import HoleColour, load_mask
from unstride.inference.batch_job import ImageJob, run_batch
from unstride.inference.classical_inpainting import CLASSICAL, PACKAGES
from unstride.inference.extras import check_installed
from unstride.inference.matched_file import matched_file
from unstride.inference.memory_check import MemoryCheck
from unstride.inference.records import FileWriter, Records
from unstride.models.inpainting.by_name import read_inpainter
from unstride.models.inpainting.inpainter import Inpainter
from unstride.models.published import load_network
from unstride.saving.fingerprint import file_fingerprint, weights_fingerprint
from unstride.saving.folder import installed_version
from unstride.viz import save_png
from unstride.viz.offsets import offsets_picture

if TYPE_CHECKING:
    from rich.progress import Progress

NETWORK = "network"
DEFAULT_MODEL = Path(__file__).parents[1] / "weights" / "inpainting"
ATTENTION_FOLDER = "attention"


def inpaint_files(
    images: list[str],
    out: Path,
    *,
    mask: Path,
    hole: HoleColour = "white",
    threshold: int | None = None,
    method: str = NETWORK,
    model: Path | None = None,
    attention_map: bool = False,
    device: str | None = None,
) -> int:
    """Run `unstride inpaint`, whose help describes the arguments; return 1 if any image fails."""

    def make_job() -> InpaintJob:
        if not mask.exists():
            raise ValueError(f"mask must be a file or a folder, {mask} does not exist")
        if threshold is not None and not 1 <= threshold <= 255:
            raise ValueError(f"threshold must be from 1 to 255, got {threshold}")
        torch_device = default_device(device)
        network = None
        if method == NETWORK:
            network = load_network(model or DEFAULT_MODEL, Inpainter, read_inpainter)
            network.to(torch_device)
        elif model is not None or attention_map:
            raise ValueError(f"method {method} has no model and no attention map")
        elif method in PACKAGES:
            check_installed(PACKAGES[method], "inpaint")
        masks = Masks(mask, hole, threshold)
        return InpaintJob(out, masks, method, network, attention_map, torch_device)

    return run_batch("inpaint", images, out, make_job)


@dataclass(frozen=True)
class Masks:
    """Finds and reads the mask of each image.

    Args:
        path: one file for all images, or a folder with a file of the same name for each.
        hole: colour of the holes.
        threshold: smallest grey value that counts as white.
    """

    path: Path
    hole: HoleColour
    threshold: int | None

    def file(self, image_path: Path) -> Path:
        """The mask of an image.

        Raises:
            FileNotFoundError: if the folder has none, or several.
        """
        return matched_file(self.path, image_path, "mask")

    def read(self, file: Path, size: tuple[int, int]) -> Tensor:
        """The hole of an image of this size, "h w"."""
        return load_mask(file, size, hole=self.hole, threshold=self.threshold)


@dataclass
class InpaintJob(ImageJob):
    """Writes each image with its holes filled; all other pixels stay as they are in the file.

    Args:
        output_folder: folder of the results.
        masks: finds the masks.
        method: "network", or a name of `CLASSICAL`.
        network: fills holes, if the method is "network".
        attention_map: also draw where each hole takes its content from.
        device: where the network runs.
    """

    output_folder: Path
    masks: Masks
    method: str
    network: Inpainter | None
    attention_map: bool
    device: torch.device

    def __post_init__(self) -> None:
        self.records = Records(self.output_folder, {"files", "note"})
        self.fill: Callable[[Tensor, Tensor], Tensor] = self.network or CLASSICAL[self.method]
        self.memory_check = MemoryCheck(partial(_fill_all_but_a_line, self.fill))
        self.fingerprint = self.network and weights_fingerprint(self.network)

    @torch.inference_mode()
    def run(self, image_path: Path, output_stem: Path, progress: Progress) -> str | None:
        """Write the filled image."""
        relative_stem = output_stem.relative_to(self.output_folder)
        mask_file = self.masks.file(image_path)
        made_with = {
            "image": file_fingerprint(image_path), "mask": file_fingerprint(mask_file),
            "hole": self.masks.hole, "threshold": self.masks.threshold, "method": self.method,
            "model": self.fingerprint, "attention_map": self.attention_map,
            "unstride": installed_version(),
        }  # fmt: skip
        if (record := self.records.finished(relative_stem, made_with)) is not None:
            return record["note"]
        editable = load_editable(image_path)
        size = editable.rgb.shape[2], editable.rgb.shape[3]
        is_hole = self.masks.read(mask_file, size)
        if is_hole.all():
            raise ValueError(f"{mask_file}: the hole covers the whole image, nothing is known")
        note = None if is_hole.any() else "the mask is empty, the image is copied"
        if note:
            writers: dict[Path, FileWriter] = {
                relative_stem.with_name(relative_stem.name + image_path.suffix): partial(
                    shutil.copyfile, image_path
                )
            }
        else:
            writers = self.filled(editable, is_hole, relative_stem)
        self.records.write(relative_stem, writers, {"made_with": made_with, "note": note})
        return note

    def filled(
        self, editable: EditableImage, is_hole: Tensor, relative_stem: Path
    ) -> dict[Path, FileWriter]:
        """What writes the files of an image, by their paths in the output folder."""
        image, holes = editable.rgb.to(self.device), is_hole.to(self.device)[None, None]
        self.memory_check.check(image, self.device)
        result = editable.replaced(self.fill(image, holes).cpu(), is_hole)
        name = relative_stem.name
        writers: dict[Path, FileWriter] = {
            relative_stem.with_name(name + editable.suffix): partial(editable.write, image=result)
        }
        if self.attention_map:
            assert self.network is not None  # the job was refused otherwise
            sources = self.network.sources(image, holes)
            if sources is None:
                raise ValueError("attention_map needs a network with attention")
            picture = offsets_picture(editable.rgb[0], is_hole, sources.cpu().float())
            file = ATTENTION_FOLDER / relative_stem.with_name(f"{name}.png")
            writers[file] = partial(save_png, picture)
        return writers


def _fill_all_but_a_line(fill: Callable[[Tensor, Tensor], Tensor], image: Tensor) -> Tensor:
    """Fill a hole of nearly all pixels, to see how much memory that takes."""
    is_hole = torch.ones_like(image[:, :1], dtype=torch.bool)
    is_hole[..., :1] = False
    return fill(image, is_hole)
