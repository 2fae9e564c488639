"""Separates objects from their background: `unstride matte`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstride.device import default_device
from unstride.formats.alpha import write_alpha, write_cutout
from unstride.formats.images import load_image
from unstride.inference.backgrounds import composite, parse_background
from unstride.inference.batch_job import ImageJob, run_batch
from unstride.inference.classical_matting import CLASSICAL_MATTING, foreground_colours
from unstride.inference.extras import check_installed
from unstride.inference.network_matting import network_alpha
from unstride.inference.records import FileWriter, Records
from unstride.inference.trimaps import Trimaps, parse_box
from unstride.models.matting.by_name import read_matting_network
from unstride.models.matting.matting_network import MattingNetwork
from unstride.models.published import load_network
from unstride.saving.fingerprint import (
    file_fingerprint,
    tensor_fingerprint,
    weights_fingerprint,
)
from unstride.saving.folder import installed_version
from unstride.transforms.trimap import with_known_pixels
from unstride.viz import save_png

if TYPE_CHECKING:
    from rich.progress import Progress

ALPHA, CUTOUT, COMPOSITE = "alpha", "cutout", "composite"
Estimate = Callable[[Tensor, Tensor], Tensor]  # alpha of an image and its trimap


def matte_files(
    images: list[str],
    out: Path,
    *,
    trimap: Path | None = None,
    from_mask: Path | None = None,
    from_box: str | None = None,
    from_prediction: Path | None = None,
    category: str = "person",
    margin: int = 10,
    method: str = "closed_form",
    model: Path | None = None,
    background: str = "",
    device: str | None = None,
) -> int:
    """Run `unstride matte`, whose help describes the arguments; return 1 if any image fails."""

    def make_job() -> MatteJob:
        check_installed("pymatting", "matting")  # of the foreground's colours
        given = (trimap, from_mask, from_box, from_prediction)
        if sum(source is not None for source in given) != 1:
            raise ValueError("give one of --trimap, --from-mask, --from-box, --from-prediction")
        if margin < 0:
            raise ValueError(f"margin must be at least 0, got {margin}")
        for path in (trimap, from_mask, from_prediction):
            if path is not None and not path.exists():
                raise ValueError(f"{path} does not exist")
        box = None if from_box is None else parse_box(from_box)
        trimaps = Trimaps(trimap, from_mask, box, from_prediction, category, margin)
        name, estimate = (
            (method, CLASSICAL_MATTING[method])
            if model is None
            else network_method(model, default_device(device))
        )
        return MatteJob(out, trimaps, name, estimate, parse_background(background))

    return run_batch("matte", images, out, make_job)


def network_method(path: Path, device: torch.device) -> tuple[str, Estimate]:
    """A network as a method: a name with its fingerprint, and the function.

    Args:
        path: a folder that `unstride fit matting` left, or a file with released weights.
        device: where the network runs.

    Raises:
        ValueError: if it cannot be read, or is something else.
    """
    network = load_network(path, MattingNetwork, read_matting_network).to(device)

    def estimate(image: Tensor, trimap: Tensor) -> Tensor:
        return network_alpha(network, image.to(device), trimap)

    return f"network {weights_fingerprint(network)}", estimate


@dataclass
class MatteJob(ImageJob):
    """Writes alpha, a cut-out, and with a background a composite, for each image.

    Args:
        output_folder: folder of the results.
        trimaps: finds the trimaps.
        method: name of the method, for records.
        estimate: called with an image and its trimap; returns alpha.
        background: a colour "3 1 1" or a picture "3 h w". None: no composite.
    """

    output_folder: Path
    trimaps: Trimaps
    method: str
    estimate: Estimate
    background: Tensor | None

    def __post_init__(self) -> None:
        self.records = Records(self.output_folder, {"files", "note"})
        self.background_fingerprint = (
            None if self.background is None else tensor_fingerprint(self.background)
        )

    @torch.inference_mode()
    def run(self, image_path: Path, output_stem: Path, progress: Progress) -> str | None:
        """Write the files of one image."""
        relative_stem = output_stem.relative_to(self.output_folder)
        made_with = self.trimaps.made_from(image_path) | {
            "image": file_fingerprint(image_path), "method": self.method,
            "background": self.background_fingerprint, "unstride": installed_version(),
        }  # fmt: skip
        if (record := self.records.finished(relative_stem, made_with)) is not None:
            return record["note"]
        image = load_image(image_path)
        trimap = self.trimaps.read(image_path, (image.shape[2], image.shape[3]))
        alpha = with_known_pixels(self.estimate(image, trimap), trimap)
        colours = foreground_colours(image, alpha)[0]
        writers = self._writers(relative_stem, colours, alpha)
        self.records.write(relative_stem, writers, {"made_with": made_with, "note": None})
        return None

    def _writers(self, stem: Path, colours: Tensor, alpha: Tensor) -> dict[Path, FileWriter]:
        writers: dict[Path, FileWriter] = {
            ALPHA / stem.with_name(f"{stem.name}.png"): partial(write_alpha, alpha=alpha),
            CUTOUT / stem.with_name(f"{stem.name}.png"): partial(
                write_cutout, colours=colours, alpha=alpha
            ),
        }
        if self.background is not None:
            picture = composite(colours, alpha, self.background)
            writers[COMPOSITE / stem.with_name(f"{stem.name}.png")] = partial(save_png, picture)
        return writers
