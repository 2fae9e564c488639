"""A data set on the bench: its splits through one frozen backbone, made when they are needed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.classifier import Classifier
from unstride.evaluation.frozen import Frozen, Grid, Split, standardise
from unstride.evaluation.probe import SCHEDULES, Schedule


@dataclass(frozen=True)
class Protocol:
    """What is the same for every row.

    Attributes:
        schedule: of the probes, "short" or "long".
        stride: of the grid on which probes are trained, in pixels.
    """

    schedule: str = "short"
    stride: int = 4

    @property
    def training(self) -> Schedule:
        """The numbers behind the schedule's name."""
        return SCHEDULES[self.schedule]


@dataclass
class Bench:
    """A data set, a backbone, and the protocol.

    Args:
        name: of the data set.
        kind: "semantic", "depth", "segments" or "classes".
        load: load(split) gives the data set's split, a sequence of (image, labels).
        backbone: whose features are measured.
        protocol: the same for every row.
        split: on which rows are scored.
        train_split: on which probes are trained, and features standardised.
        limit: images scored; by default all.
        train_limit: images trained on; by default all.
        cache: a folder for the backbone's features; by default they stay in memory.
        head: makes the backbone's classifier, for class-activation maps.
        progress: shows how far a loop is.
        cell_probes: probes trained on the backbone's own cells, by seed.
    """

    name: str
    kind: str
    load: Callable[[str], Any]
    backbone: Any
    protocol: Protocol = Protocol()
    split: str = "val"
    train_split: str = "train"
    limit: int | None = None
    train_limit: int | None = None
    cache: Path | None = None
    head: Callable[[], Classifier] | None = None
    progress: Callable[..., Any] = lambda items, _: items
    cell_probes: dict[int, nn.Linear] = field(default_factory=dict)

    @cached_property
    def train(self) -> Split:
        """The images that probes are trained on."""
        return self._through(self.train_split, self.train_limit)

    @cached_property
    def scored(self) -> Split:
        """The images that rows are scored on."""
        return self._through(self.split, self.limit)

    @cached_property
    def frozen(self) -> Frozen:
        """The backbone, standardised by the training images."""
        return standardise(self.backbone, self.train)

    @cached_property
    def grid(self) -> Grid:
        """On which probes are trained."""
        return Grid(self.frozen, self.protocol.stride)

    @cached_property
    def classifier(self) -> Classifier:
        """The backbone with its head.

        Raises:
            ValueError: if the features are not those that the head takes.
        """
        if self.head is None:
            raise ValueError("class-activation maps need the backbone's classifier")
        classifier, backbone = self.head().to(self.device), self.backbone
        if (backbone.stride, backbone.channels) != (classifier.stride, classifier.channels):
            raise ValueError(
                "class-activation maps need the features that the classifier's head takes: "
                f"stride {classifier.stride} with {classifier.channels} channels, got stride "
                f"{backbone.stride} with {backbone.channels}"
            )
        return classifier

    @property
    def device(self) -> torch.device:
        """Of the backbone."""
        return next((p.device for p in self.backbone.parameters()), torch.device("cpu"))

    def described(self) -> dict[str, Any]:
        """What every result depends on, the images themselves by a digest of their names."""
        return {
            "dataset": self.name,
            "train": [self.train_split, self.train_limit, _names(self.train.dataset)],
            "scored": [self.split, self.limit, _names(self.scored.dataset)],
        }

    def _through(self, split: str, limit: int | None) -> Split:
        words = self.name, split, getattr(self.backbone, "name", "custom"), self.backbone.stride
        cache = None if self.cache is None else self.cache / ".".join(map(str, words))
        return Split(
            self.load(split), self.backbone, limit=limit, cache=cache, progress=self.progress
        )


def _names(dataset) -> str:
    text = "\n".join(getattr(dataset, "names", [str(len(dataset))]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
