"""Separates objects from their background: `unstride matte`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstride.device import default_device
from unstride.formats.alpha import write_alpha, write_cutout
from unstride.formats.images import IMAGE_SUFFIXES, load_image
from unstride.formats.masks import load_mask
from unstride.formats.trimap import BACKGROUND, FOREGROUND, load_trimap
from unstride.inference.batch_job import ImageJob, run_batch
from unstride.inference.classical_matting import CLASSICAL_MATTING, foreground_colours
from unstride.inference.extras import check_installed
from unstride.inference.matched_file import matched_file
from unstride.inference.network_matting import network_alpha
from unstride.inference.predicted_object import predicted_object, prediction_record
from unstride.inference.records import FileWriter, Records
from unstride.models.matting.by_name import read_matting_network
from unstride.models.matting.matting_network import MattingNetwork
from unstride.models.published import load_published
from unstride.saving.fingerprint import file_fingerprint, weights_fingerprint
from unstride.saving.folder import installed_version
from unstride.transforms.resize import resize_bilinear
from unstride.transforms.trimap import Trimap, trimap_from_mask, with_known_pixels
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
    network = load_published(path) if path.is_file() else read_matting_network(path)
    if not isinstance(network, MattingNetwork):
        raise ValueError(f"{path}: model must predict alpha, got a {type(network).__name__}")
    network.to(device)

    def estimate(image: Tensor, trimap: Tensor) -> Tensor:
        return network_alpha(network, image.to(device), trimap)

    return f"network {weights_fingerprint(network)}", estimate


@dataclass(frozen=True)
class Trimaps:
    """Finds or makes the trimap of each image.

    Args:
        path: a trimap for all images, or a folder with one of the same name for each.
        masks: the same for rough masks.
        box: left, top, right and bottom of the object, in pixels.
        predictions: output folder of `unstride predict`.
        category: of the objects in predictions.
        margin: pixels on both sides of a mask's border that are unknown.
    """

    path: Path | None
    masks: Path | None
    box: tuple[int, int, int, int] | None
    predictions: Path | None
    category: str
    margin: int

    def made_from(self, image_path: Path) -> dict[str, str]:
        """What the trimap of an image is made from, for its record."""
        if self.path is not None:
            return {"trimap": file_fingerprint(matched_file(self.path, image_path, "trimap"))}
        if self.masks is not None:
            source = file_fingerprint(matched_file(self.masks, image_path, "mask"))
        elif self.predictions is not None:
            record = prediction_record(self.predictions, image_path.stem)
            source = f"{self.category} {file_fingerprint(record)}"
        else:
            source = str(self.box)
        return {"trimap": f"{source} {self.margin}"}

    def read(self, image_path: Path, size: tuple[int, int]) -> Trimap:
        """The trimap of an image of this size.

        Raises:
            ValueError: if it cannot be read, or nothing of it is known.
        """
        if self.path is not None:
            return load_trimap(matched_file(self.path, image_path, "trimap"), size)
        if self.masks is not None:
            mask_file = matched_file(self.masks, image_path, "mask")
            is_object = load_mask(mask_file, size, threshold=128)
        elif self.predictions is not None:
            is_object = predicted_object(self.predictions, image_path.stem, size, self.category)
        else:
            assert self.box is not None
            left, top, right, bottom = self.box
            is_object = torch.zeros(size, dtype=torch.bool)
            is_object[top:bottom, left:right] = True
        trimap = trimap_from_mask(is_object, self.margin)
        for value, name in ((FOREGROUND, "object"), (BACKGROUND, "background")):
            if not (trimap == value).any():
                raise ValueError(f"no {name} is left beyond a margin of {self.margin} pixels")
        return trimap


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

    @torch.inference_mode()
    def run(self, image_path: Path, output_stem: Path, progress: Progress) -> str | None:
        """Write the files of one image."""
        relative_stem = output_stem.relative_to(self.output_folder)
        background = None if self.background is None else str(hash_of(self.background))
        made_with = self.trimaps.made_from(image_path) | {
            "image": file_fingerprint(image_path), "method": self.method,
            "background": background, "unstride": installed_version(),
        }  # fmt: skip
        if (record := self.records.finished(relative_stem, made_with)) is not None:
            return record["note"]
        image = load_image(image_path)
        trimap = self.trimaps.read(image_path, (image.shape[2], image.shape[3]))
        alpha = with_known_pixels(self.estimate(image, trimap), trimap)
        colours = foreground_colours(image, alpha)[0]
        writers = self._writers(relative_stem, colours, alpha)
        record = {"made_with": made_with, "note": None, "files": [str(file) for file in writers]}
        absolute = {self.output_folder / file: writer for file, writer in writers.items()}
        self.records.write(relative_stem, absolute, record)
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


def composite(colours: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    """The foreground over a colour, or over a picture that is cropped to the image's shape.

    Args:
        colours: of the foreground, "3 h w" in [0, 1].
        alpha: "h w".
        background: "3 1 1", or "3 H W".
    """
    h, w = alpha.shape
    if background.shape[1:] != (1, 1):
        scale = max(h / background.shape[1], w / background.shape[2])
        size = (
            max(round(scale * background.shape[1]), h),
            max(round(scale * background.shape[2]), w),
        )
        resized = resize_bilinear(background[None], size)[0].clamp(0, 1)
        top, left = (size[0] - h) // 2, (size[1] - w) // 2
        background = resized[:, top : top + h, left : left + w]
    return alpha * colours + (1 - alpha) * background


def parse_box(text: str) -> tuple[int, int, int, int]:
    """Parse "left,top,right,bottom" in pixels.

    Raises:
        ValueError: if the text is anything else, or the box is empty.
    """
    try:
        left, top, right, bottom = (int(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"from_box must be LEFT,TOP,RIGHT,BOTTOM, got {text!r}") from None
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"from_box must hold pixels, got {text!r}")
    return left, top, right, bottom


def parse_background(text: str) -> Tensor | None:
    """The colour "3 1 1" or the picture "3 h w" that a user names; None if none is named.

    Raises:
        ValueError: if it is neither.
    """
    if not text:
        return None
    if Path(text).suffix.lower() in IMAGE_SUFFIXES:
        return load_image(text)[0]
    from unstride.viz.pillow import parse_colour

    return parse_colour(text)


def hash_of(tensor: Tensor) -> str:
    """A short hash of the values."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()[:16]
