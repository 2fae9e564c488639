"""A data set on the bench: its splits through one frozen backbone, made when they are needed."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.backbones.classifier import Classifier
from unstride.evaluation.feature_dataset import FeatureDataset
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.frozen_features import (
    FrozenBackbone,
    standardised_backbone,
)
from unstride.evaluation.linear_probe import Schedule


@dataclass(frozen=True)
class DataSplit:
    """A split of a data set, or some of its images.

    Attributes:
        images: gives (image, labels) for an index.
        split: its name.
        limit: as many images, spread evenly; by default all.
    """

    images: Sequence
    split: str
    limit: int | None = None

    def described(self) -> list[Any]:
        """What a result depends on, the images by a digest of their names."""
        names = getattr(self.images, "names", [str(len(self.images))])
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        return [self.split, self.limit, digest]


def no_progress(items: Iterable, what: str) -> Iterable:
    """Shows nothing."""
    del what
    return items


@dataclass
class Benchmark:
    """A data set, a backbone, and what is the same for every row.

    Args:
        backbone: whose features are measured.
        name: of the data set.
        kind: of its labels: "semantic", "depth", "segments" or "classes".
        train: images that probes are trained on and features standardised by.
        scored: images that rows are scored on.
        schedule: of the probes.
        stride: of the grid on which probes are trained, in pixels.
        cache: a folder for the backbone's features; by default they stay in memory.
        head: makes the backbone's classifier, for class-activation maps.
        progress: progress(items, what) gives the items and shows how far it is.
        cell_probes: probes trained on the backbone's own cells, by seed.
    """

    backbone: Any
    name: str = ""
    kind: str = ""
    train: DataSplit = DataSplit((), "none")
    scored: DataSplit = DataSplit((), "none")
    schedule: Schedule = field(default_factory=Schedule)
    stride: int = 4
    cache: Path | None = None
    head: Callable[[], Classifier] | None = None
    progress: Callable[[Iterable, str], Iterable] = no_progress
    cell_probes: dict[int, nn.Linear] = field(default_factory=dict)

    @cached_property
    def training(self) -> FeatureDataset:
        """The features of the training images."""
        return self._through(self.train)

    @cached_property
    def scoring(self) -> FeatureDataset:
        """The features of the images that rows are scored on."""
        return self._through(self.scored)

    @cached_property
    def frozen(self) -> FrozenBackbone:
        """The backbone, standardised by the training images."""
        return standardised_backbone(self.backbone, self.training)

    @cached_property
    def grid(self) -> FeatureGrid:
        """On which probes are trained."""
        return FeatureGrid(self.frozen, self.stride)

    @cached_property
    def classifier(self) -> Classifier:
        """The backbone with its head.

        Raises:
            ValueError: if there is none, or the features are not those that it takes.
        """
        if self.head is None:
            raise ValueError("class-activation maps need the backbone's classifier")
        classifier = self.head().to(self.device)
        needed, given = (
            f"stride {one.stride} with {one.channels} channels"
            for one in (classifier, self.backbone)
        )
        if needed != given:
            raise ValueError(f"class-activation maps need features of {needed}, got {given}")
        return classifier

    @property
    def device(self) -> torch.device:
        """Of the backbone."""
        return next((p.device for p in self.backbone.parameters()), torch.device("cpu"))

    def described(self) -> dict[str, Any]:
        """What results depend on."""
        return {
            "dataset": self.name, "train": self.train.described(),
            "scored": self.scored.described(), "grid": self.stride,
        }  # fmt: skip

    def _through(self, source: DataSplit) -> FeatureDataset:
        words = self.name, source.split, getattr(self.backbone, "name", ""), self.backbone.stride
        cache = None if self.cache is None else self.cache / ".".join(map(str, words))
        return FeatureDataset(
            source.images, self.backbone, limit=source.limit, cache=cache, progress=self.progress
        )
