"""The settings of an evaluation, and the backbone and data sets that they describe."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from unstride.backbones.classifier import create_classifier
from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.datasets.by_name import (
    DEPTH_DATASETS,
    REGION_DATASETS,
    SEGMENTATION_DATASETS,
    create_dataset,
)
from unstride.datasets.classification import ClassificationDataset
from unstride.device import default_device
from unstride.evaluation.benchmark import Benchmark, DataSplit
from unstride.evaluation.linear_probe import SCHEDULES
from unstride.evaluation.progress import ProgressCallback
from unstride.saving.argument_checks import check_fields
from unstride.saving.argument_ranges import OneOf, PositiveInt

CAM_DATASET = "imagenet_samples"  # photographs with one class each, for class-activation maps
LABEL_KINDS = (  # where two have the same name, as `folder`, the later one counts
    dict.fromkeys(DEPTH_DATASETS, "depth") | dict.fromkeys(REGION_DATASETS, "segments")
    | dict.fromkeys(SEGMENTATION_DATASETS, "semantic") | {CAM_DATASET: "classes"}
)  # fmt: skip


class OpenedDataset(NamedTuple):
    """The splits of a data set that probes learn from and that are scored."""

    name: str
    train: Any
    scored: Any


@dataclass(frozen=True)
class EvaluationSettings:
    """What is the same for every candidate of a table: options of `unstride eval features`."""

    data: Path | None = None
    backbone: str | Backbone = "tf_efficientnet_lite0"
    stride: PositiveInt | None = None
    backbone_weights: Path | None = None
    probe_schedule: Annotated[str, OneOf(tuple(SCHEDULES))] = "short"
    probe_stride: PositiveInt = 4
    seeds: PositiveInt = 3
    split: str = "val"
    train_split: str = "train"
    eval_data: Path | None = None
    limit: PositiveInt | None = None
    train_limit: PositiveInt | None = None
    cache: bool = False
    device: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def build_backbone(self) -> Backbone:
        """Build the backbone, on the device where it will run."""
        device = default_device(self.device)
        if isinstance(self.backbone, str):
            backbone = create_backbone(
                self.backbone, stride=self.stride, weights=self.backbone_weights
            )
            return backbone.to(device)
        return self.backbone.to(device)

    def open_dataset(self, dataset: str) -> OpenedDataset:
        """Open both splits of a data set: "NAME" or "NAME=FOLDER".

        Raises:
            ValueError: if there is no such data set, or a split is empty.
            OSError: if its files cannot be found.
        """
        name, _, folder = dataset.partition("=")
        if name not in LABEL_KINDS:
            raise ValueError(f"dataset must be one of {', '.join(LABEL_KINDS)}, got {name!r}")
        root = Path(folder) if folder else self._dataset_folder(name)
        return OpenedDataset(
            name,
            create_data_split(name, root, self.train_split),
            create_data_split(name, self.eval_data or root, self.split),
        )

    def build_benchmark(
        self, dataset: OpenedDataset, backbone: Backbone, out: Path, progress: ProgressCallback
    ) -> Benchmark:
        """Build the benchmark of a data set.

        Args:
            dataset: from `open_dataset`.
            backbone: from `build_backbone`.
            out: output folder; features are cached in OUT/cache if `cache` is set.
            progress: `progress(items, description)` yields the items and shows a progress bar.
        """
        return Benchmark(
            backbone,
            dataset_name=dataset.name,
            label_kind=LABEL_KINDS[dataset.name],
            train_data=DataSplit(dataset.train, self.train_split, self.train_limit),
            eval_data=DataSplit(dataset.scored, self.split, self.limit),
            schedule=SCHEDULES[self.probe_schedule],
            probe_stride=self.probe_stride,
            cache=out / "cache" if self.cache else None,
            make_classifier=partial(
                create_classifier, backbone.name, weights=self.backbone_weights
            ),
            progress=progress,
        )

    def _dataset_folder(self, name: str) -> Path:
        """Return DATA/NAME, or DATA itself if there is no such folder."""
        if self.data is None:
            raise ValueError(
                f"data must be the folder of {name}, got None; or use --dataset {name}=FOLDER"
            )
        return self.data / name if (self.data / name).is_dir() else self.data


def create_data_split(name: str, root: Path, split: str) -> Any:
    """Create a split of a data set; photographs with classes have only one split."""
    return ClassificationDataset(root) if name == CAM_DATASET else create_dataset(name, root, split)
