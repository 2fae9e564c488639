"""Runs a task network on images and writes files and pictures: `unstride predict`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unstride.device import default_device
from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.images import load_image
from unstride.formats.json import read_json
from unstride.inference.batch_job import (
    ImageJob,
    RequestedSize,
    output_size,
    parse_size,
    run_batch,
)
from unstride.inference.coco_documents import coco_documents
from unstride.inference.memory_check import MemoryCheck
from unstride.inference.predicted_outputs import predict_image
from unstride.inference.predictors import PREDICTORS, TaskModel
from unstride.inference.records import Records
from unstride.models.task_network import read_task
from unstride.saving.fingerprint import file_fingerprint
from unstride.saving.folder import CONFIG_NAME, WEIGHTS_NAME, installed_version
from unstride.transforms.resize import resize_bilinear

if TYPE_CHECKING:
    from rich.progress import Progress

RECORD_ENTRIES = {"note", "files", "found", "width", "height"}
SCORED_TASKS = ("detection", "panoptic")  # tasks whose predictions have scores


def predict_files(
    images: list[str],
    out: Path,
    *,
    model: Path,
    size: str | None = None,
    min_score: float = 0.5,
    device: str | None = None,
) -> int:
    """Run `unstride predict`, whose help describes the arguments; return 1 if any image fails."""

    def make_job() -> PredictJob:
        requested_size = parse_size(size)
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must be from 0 to 1, got {min_score}")
        task_model = load_task_model(model, min_score)
        torch_device = default_device(device)
        task_model.network.to(torch_device)
        fingerprint = file_fingerprint(model / CONFIG_NAME, model / WEIGHTS_NAME)
        return PredictJob(task_model, fingerprint, out, requested_size, torch_device)

    return run_batch("predict", images, out, make_job)


def load_task_model(folder: str | Path, min_score: float = 0.5) -> TaskModel:
    """Load the network in a folder, for `predict`.

    Args:
        folder: as `unstride fit` writes it.
        min_score: lowest score of objects in pictures; for Panoptic FPN of all that it predicts.

    Raises:
        ValueError: if the folder cannot be read, or there is no prediction for its task.
    """
    network, config = read_task(folder)
    if config["task"] not in PREDICTORS:
        raise ValueError(
            f"{folder}: task must be one of {', '.join(PREDICTORS)}, got {config['task']!r}"
        )
    if config.get("model") == "panoptic_fpn":
        network.merging = network.merging | {"min_score": min_score}
    return TaskModel(network, config, min_score)


@dataclass
class PredictJob(ImageJob):
    """Writes the predictions for each image, and at the end COCO's files for all of them.

    OUT/records/NAME.json says what an image's files were made with; it is written last.

    Args:
        model: the network.
        model_fingerprint: fingerprint of the network's files.
        output_folder: folder of the results.
        requested_size: size to which images are resized first.
        device: where the network runs.
    """

    model: TaskModel
    model_fingerprint: str
    output_folder: Path
    requested_size: RequestedSize
    device: torch.device

    def __post_init__(self) -> None:
        self.records = Records(self.output_folder, RECORD_ENTRIES)
        self.memory_check = MemoryCheck(partial(predict_image, self.model))
        has_scores = self.model.config["task"] in SCORED_TASKS
        self.min_score = self.model.min_score if has_scores else None

    @torch.inference_mode()
    def run(self, image_path: Path, output_stem: Path, progress: Progress) -> str | None:
        """Write the files of one image."""
        relative_stem = output_stem.relative_to(self.output_folder)
        image = load_image(image_path)
        size = output_size(image, self.requested_size)
        made_with = {
            "model": self.model_fingerprint, "score": self.min_score,
            "size": f"{size[0]}x{size[1]}", "image": image_path.name,
            "photograph": file_fingerprint(image_path), "unstride": installed_version(),
        }  # fmt: skip
        if (record := self.records.finished(relative_stem, made_with)) is not None:
            return record["note"]
        image = resize_bilinear(image, size).clamp(0, 1)
        self.memory_check.check(image, self.device)
        outputs = predict_image(self.model, image.to(self.device))
        record = {"made_with": made_with, "width": size[1], "height": size[0]}
        record |= {"note": outputs.note, "found": outputs.summary}
        writers = {
            Path(folder) / f"{relative_stem}.png": writer
            for folder, writer in outputs.writers.items()
        }
        self.records.write(relative_stem, writers, record)
        return outputs.note

    def finish(self, finished: list[tuple[Path, Path]]) -> None:
        """Write COCO's files, which describe all images."""
        stems = [output_stem.relative_to(self.output_folder) for _, output_stem in finished]
        records = [read_json(self.records.path(stem)) for stem in stems]
        file_names = [image_path.name for image_path, _ in finished]
        documents = coco_documents(self.model, list(map(str, stems)), file_names, records)
        for name, content in documents.items():
            atomic_write_text(self.output_folder / name, json.dumps(content))
