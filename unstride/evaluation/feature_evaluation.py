"""`unstride eval features`: upsamplers on frozen features, by every measure, into one table."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.backbones.classifier import create_classifier
from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.datasets.by_name import (
    DEPTH_DATASETS,
    REGION_DATASETS,
    SEGMENTATION_DATASETS,
    create_dataset,
)
from unstride.datasets.classification import ClassificationDataset
from unstride.evaluation import report
from unstride.evaluation.benchmark import Benchmark, DataSplit
from unstride.evaluation.candidates import Candidate, create_candidate
from unstride.evaluation.linear_probe import SCHEDULES
from unstride.evaluation.measures import MEASURES
from unstride.evaluation.runner import EvaluationResults, run_measures

CAM_DATASET = "imagenet_samples"  # photographs with one class each, for class-activation maps
LABEL_KINDS = (
    dict.fromkeys(SEGMENTATION_DATASETS, "semantic") | dict.fromkeys(DEPTH_DATASETS, "depth")
    | dict.fromkeys(REGION_DATASETS, "segments") | {CAM_DATASET: "classes"}
)  # fmt: skip


@dataclass(frozen=True)
class EvaluationSettings:
    """What is the same for every row of a table; `unstride eval features --help` has the words."""

    data: Path | None = None
    backbone: str | Backbone = "tf_efficientnet_lite0"
    stride: int | None = None
    backbone_weights: Path | None = None
    schedule: str = "short"
    grid: int = 4
    split: str = "val"
    train_split: str = "train"
    scored_data: Path | None = None
    limit: int | None = None
    train_limit: int | None = None
    cache: bool = False
    device: str | None = None

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be short or long, got {self.schedule!r}")
        for name in ("grid", "limit", "train_limit"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")

    def trunk(self) -> Backbone:
        """The backbone, where it will run."""
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if isinstance(self.backbone, str):
            trunk = create_backbone(
                self.backbone, stride=self.stride, weights=self.backbone_weights
            )
            return trunk.to(device)
        return self.backbone.to(device)

    def bench(self, given: str, trunk: Backbone, out: Path, progress) -> Benchmark:
        """A data set, "NAME" or "NAME=FOLDER", on the bench."""
        name, _, folder = given.partition("=")
        if name not in LABEL_KINDS:
            raise ValueError(f"dataset must be one of {', '.join(LABEL_KINDS)}, got {name!r}")
        root = Path(folder) if folder else self._folder(name)
        train = DataSplit(
            create_data_split(name, root, self.train_split), self.train_split, self.train_limit
        )
        scored = create_data_split(name, self.scored_data or root, self.split)
        return Benchmark(
            trunk, name, LABEL_KINDS[name], train, DataSplit(scored, self.split, self.limit),
            SCHEDULES[self.schedule], self.grid, out / "cache" if self.cache else None,
            partial(create_classifier, trunk.name, weights=self.backbone_weights), progress,
        )  # fmt: skip

    def _folder(self, name: str) -> Path:
        """DATA/NAME, or DATA itself where there is no such folder."""
        if self.data is None:
            raise ValueError(f"data must be the folder of {name}, or --dataset {name}=FOLDER given")
        return self.data / name if (self.data / name).is_dir() else self.data


def create_data_split(name: str, root: Path, split: str) -> Any:
    """A split of a data set; photographs with classes have one split only."""
    return ClassificationDataset(root) if name == CAM_DATASET else create_dataset(name, root, split)


def evaluate(
    upsamplers: Sequence[str | nn.Module | Candidate],
    measures: Sequence[str],
    datasets: Sequence[str] = (),
    *,
    setting: EvaluationSettings | None = None,
    seeds: int = 3,
    out: str | Path = "runs/eval",
    command: str = "unstride.evaluation.evaluate",
) -> tuple[EvaluationResults, list[Candidate]]:
    """Measure upsamplers and write OUT/table.md and OUT/table.json; see `unstride eval features`.

    Args:
        upsamplers: words with options, upsamplers, or rows, which may be fitted to each image.
        measures: names of MEASURES.
        datasets: "NAME" or "NAME=FOLDER"; each measure is taken on those of its kind.
        setting: what is the same for every row.
        seeds: of the probes, pairs and views: 0 to this, exclusive.
        out: folder of the tables and the results, in which nothing is computed twice.
        command: that the tables name.

    Raises:
        ValueError: if a name is none, or a measure has no data set.
        OSError: if a data set or weights cannot be found.
    """
    from rich.console import Console

    start, out, setting = time.perf_counter(), Path(out), setting or EvaluationSettings()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    trunk = setting.trunk()
    rows = create_candidates(upsamplers, trunk)
    with progress_bars(console) as progress:
        benches = [setting.bench(name, trunk, out, progress) for name in datasets] or [
            Benchmark(trunk)
        ]
        check_datasets(measures, benches)
        outcome = run_measures(
            benches, rows, measures, seeds=seeds, out=out,
            say=partial(console.print, markup=False),
        )  # fmt: skip
    origin = report.provenance(command, seeds, time.perf_counter() - start)
    report.write_tables(outcome, rows, origin, out)
    return outcome, rows


def create_candidates(
    upsamplers: Sequence[str | nn.Module | Candidate], trunk: Backbone
) -> list[Candidate]:
    """The rows, where the backbone is; labels must differ."""
    rows = [create_candidate(given, trunk.channels, trunk.stride) for given in upsamplers]
    labels = [row.label for row in rows]
    if repeated := {label for label in labels if labels.count(label) > 1}:
        raise ValueError(f"upsamplers need different labels; twice: {', '.join(repeated)}")
    device = next(trunk.parameters(), torch.empty(0)).device
    for row in rows:
        if row.module is not None:
            row.module.to(device)
    return rows


def check_datasets(measures: Sequence[str], benches: Sequence[Benchmark]) -> None:
    """Each measure must have a data set of its kind."""
    for measure in measures:
        if measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}")
        kinds = MEASURES[measure].kinds
        if kinds and not any(bench.kind in kinds for bench in benches):
            fitting = [name for name, kind in LABEL_KINDS.items() if kind in kinds]
            raise ValueError(f"{measure} needs a dataset such as {', '.join(fitting)}")


@contextmanager
def progress_bars(console) -> Iterator[Any]:
    """A function that gives the items of a loop and shows how far it is, while it lasts."""
    from rich.progress import Progress

    with Progress(console=console, transient=True) as shown:

        def progress(items: Iterable, what: str) -> Iterator:
            task = shown.add_task(what.replace("[", r"\["), total=len(items))  # type: ignore
            try:
                for item in items:
                    yield item
                    shown.advance(task)
            finally:
                shown.remove_task(task)

        yield progress
