"""What `unstride predict` does: photographs through a task network, to files and pictures."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.formats.atomic_write import atomic_path, atomic_write_text
from unstride.formats.images import load_image
from unstride.inference.batch_job import (
    ImageJob,
    RequestedSize,
    output_size,
    parse_size,
    run_batch,
)
from unstride.inference.coco_documents import coco_documents
from unstride.inference.memory_check import MemoryCheck
from unstride.inference.predictors import PREDICTORS, TaskModel, predict_image
from unstride.models.task_network import read_task
from unstride.saving.fingerprint import file_fingerprint
from unstride.saving.folder import CONFIG_NAME, WEIGHTS_NAME, installed_version

if TYPE_CHECKING:
    from rich.progress import Progress

RECORDS_FOLDER = "records"
SCORED_TASKS = ("detection", "panoptic")  # tasks in whose answers objects have a score


def predict_files(
    images: list[str],
    out: Path,
    *,
    model: Path,
    size: str | None = None,
    score: float = 0.5,
    device: str | None = None,
) -> int:
    """What `unstride predict` does; see there. Returns 1 if any image could not be done."""

    def prepare() -> PredictJob:
        wanted = parse_size(size)
        if not 0 <= score <= 1:
            raise ValueError(f"score must be from 0 to 1, got {score}")
        made = load_task_model(model, score)
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        made.network.to(chosen)
        return PredictJob(
            made, file_fingerprint(model / CONFIG_NAME, model / WEIGHTS_NAME), out, wanted, chosen
        )

    return run_batch("predict", images, out, prepare)


def load_task_model(folder: Path, score: float) -> TaskModel:
    """The network in a folder.

    Args:
        folder: as `unstride fit` leaves it.
        score: of objects, in the picture; of Panoptic FPN's objects also in its files.

    Raises:
        ValueError: if it cannot be read, or there are no files for its task.
    """
    network, described = read_task(folder)
    if described["task"] not in PREDICTORS:
        raise ValueError(f"{folder}: task {described['task']!r}; there are {', '.join(PREDICTORS)}")
    if described.get("model") == "panoptic_fpn":
        network.merging = network.merging | {"min_score": score}
    return TaskModel(network, described, score)


@dataclass
class PredictJob(ImageJob):
    """Writes what a network says of each image, and at last what is said of all in one file.

    OUT/records/NAME.json says what an image's files were made with; it appears last.

    Args:
        model: the network.
        digest: of its files.
        out: folder of the results.
        wanted: size at which images are looked at.
        device: where.
    """

    model: TaskModel
    digest: str
    out: Path
    wanted: RequestedSize
    device: torch.device

    def __post_init__(self) -> None:
        self.need = MemoryCheck(partial(predict_image, self.model))
        self.score = self.model.score if self.model.described["task"] in SCORED_TASKS else None

    @torch.inference_mode()
    def one(self, path: Path, target: Path, progress: Progress) -> str | None:
        """Write the files of one image."""
        name = target.relative_to(self.out)
        image = load_image(path)
        size = output_size(image, self.wanted)
        made_with = {
            "model": self.digest, "score": self.score, "size": f"{size[0]}x{size[1]}",
            "image": path.name, "photograph": file_fingerprint(path),
            "unstride": installed_version(),
        }  # fmt: skip
        if (told := self._done(name, made_with)) is not None:
            return told["note"]
        image = resize_image(image, size)
        self.need.check(image, self.device)
        found = predict_image(self.model, image.to(self.device))
        places = {self.out / folder / f"{name}.png": write for folder, write in found.files.items()}
        record = {
            "made_with": made_with, "width": size[1], "height": size[0], "note": found.note,
            "files": [str(place.relative_to(self.out)) for place in places], "found": found.found,
        }  # fmt: skip
        with ExitStack() as stack:  # the last that is opened appears first: the record appears last
            opened = [
                (stack.enter_context(atomic_path(_ensure_parent(place))), write)
                for place, write in ((self._record(name), _json_writer(record)), *places.items())
            ]
            for unnamed, write in opened:
                write(unnamed)
        return found.note

    def finish(self, done: list[tuple[Path, Path]]) -> None:
        """COCO's files, which speak of all images at once."""
        names = [target.relative_to(self.out) for _, target in done]
        records = [json.loads(self._record(name).read_text()) for name in names]
        files = [path.name for path, _ in done]
        for file, content in coco_documents(
            self.model, list(map(str, names)), files, records
        ).items():
            atomic_write_text(self.out / file, json.dumps(content))

    def _record(self, name: Path) -> Path:
        return self.out / RECORDS_FOLDER / f"{name}.json"

    def _done(self, name: Path, made_with: dict[str, Any]) -> dict[str, Any] | None:
        """The record of an image, if its files are there and made with the same."""
        try:
            told = json.loads(self._record(name).read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(told, dict) or told.get("made_with") != made_with:
            return None
        return told if all((self.out / file).is_file() for file in told["files"]) else None


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image at a size, the same tensor if it has it."""
    if tuple(image.shape[2:]) == size:
        return image
    return interpolate(image, size, mode="bilinear", antialias=True).clamp(0, 1)


def _ensure_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _json_writer(content: dict[str, Any]):
    text = json.dumps(content)
    return lambda path: path.write_text(text)
