"""A data set prepared for evaluation: its splits through one frozen backbone, built on demand."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.backbones.classifier import Classifier
from unstride.device import module_device
from unstride.evaluation.feature_dataset import FeatureDataset
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.frozen_features import FrozenBackbone, standardised_backbone
from unstride.evaluation.linear_probe import Schedule
from unstride.evaluation.progress import ProgressCallback, no_progress


@dataclass(frozen=True)
class DataSplit:
    """A split of a data set, or some of its images.

    Attributes:
        dataset: gives (image, labels) for an index.
        split: name of the split.
        limit: number of images, spread evenly over the split. Default: all.
    """

    dataset: Sequence
    split: str
    limit: int | None = None

    def cache_key(self) -> list[Any]:
        """Return what a result depends on; a digest of the images' names stands for the images."""
        names = getattr(self.dataset, "names", [str(len(self.dataset))])
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        return [self.split, self.limit, digest]


@dataclass
class Benchmark:
    """A data set, a backbone, and everything else that is the same for all candidates.

    Args:
        backbone: the backbone whose features are measured.
        dataset_name: name of the data set.
        label_kind: kind of its labels: "semantic", "depth", "segments" or "classes".
        train_data: images that train the probes and standardise the features.
        eval_data: images that the candidates are scored on.
        schedule: how probes are trained.
        probe_stride: stride in pixels of the grid on which probes are trained. Default: 4.
        cache: folder for the backbone's features. Default: they stay in memory.
        make_classifier: builds the backbone's classifier, for class-activation maps.
        progress: `progress(items, description)` yields the items and shows a progress bar.
        coarse_probes: probes trained on the backbone's own cells, by seed.
    """

    backbone: Any
    dataset_name: str = ""
    label_kind: str = ""
    train_data: DataSplit = DataSplit((), "none")
    eval_data: DataSplit = DataSplit((), "none")
    schedule: Schedule = field(default_factory=Schedule)
    probe_stride: int = 4
    cache: Path | None = None
    make_classifier: Callable[[], Classifier] | None = None
    progress: ProgressCallback = no_progress
    coarse_probes: dict[int, nn.Linear] = field(default_factory=dict)

    @cached_property
    def train_features(self) -> FeatureDataset:
        """The training images and their features."""
        return self._feature_dataset(self.train_data)

    @cached_property
    def eval_features(self) -> FeatureDataset:
        """The images that candidates are scored on, and their features."""
        return self._feature_dataset(self.eval_data)

    @cached_property
    def frozen_backbone(self) -> FrozenBackbone:
        """The backbone, standardised with the training images."""
        return standardised_backbone(self.backbone, self.train_features)

    @cached_property
    def grid(self) -> FeatureGrid:
        """The grid on which probes are trained."""
        return FeatureGrid(self.frozen_backbone, self.probe_stride)

    @cached_property
    def classifier(self) -> Classifier:
        """The backbone with its classification head.

        Raises:
            ValueError: if there is no classifier, or it needs other features than the backbone's.
        """
        if self.make_classifier is None:
            raise ValueError("class-activation maps need the backbone's classifier, got none")
        classifier = self.make_classifier().to(self.device)
        expected, actual = (
            f"stride {model.stride} with {model.channels} channels"
            for model in (classifier, self.backbone)
        )
        if expected != actual:
            raise ValueError(f"class-activation maps need features of {expected}, got {actual}")
        return classifier

    @property
    def device(self) -> torch.device:
        """The device of the backbone."""
        return module_device(self.backbone)

    def cache_key(self) -> dict[str, Any]:
        """Return what results on this data set depend on."""
        return {
            "dataset": self.dataset_name, "train": self.train_data.cache_key(),
            "scored": self.eval_data.cache_key(), "grid": self.probe_stride,
        }  # fmt: skip

    def _feature_dataset(self, data: DataSplit) -> FeatureDataset:
        backbone_name = getattr(self.backbone, "name", "")
        parts = self.dataset_name, data.split, backbone_name, self.backbone.stride
        cache = None if self.cache is None else self.cache / ".".join(map(str, parts))
        return FeatureDataset(
            data.dataset, self.backbone, limit=data.limit, cache=cache, progress=self.progress
        )
