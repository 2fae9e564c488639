"""A data set on the bench: its splits through one frozen backbone, made when they are needed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

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
        progress: shows how far a loop is.
    """

    name: str
    kind: str
    load: Callable[[str], Any]
    backbone: nn.Module
    protocol: Protocol = Protocol()
    split: str = "val"
    train_split: str = "train"
    limit: int | None = None
    train_limit: int | None = None
    cache: Path | None = None
    progress: Callable[..., Any] = lambda items, _: items

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

    def described(self) -> dict[str, Any]:
        """What every result depends on."""
        return {
            "dataset": self.name,
            "train": [self.train_split, self.train_limit],
            "scored": [self.split, self.limit],
        }

    def _through(self, split: str, limit: int | None) -> Split:
        cache = None if self.cache is None else self.cache / self.name / split
        return Split(
            self.load(split), self.backbone, limit=limit, cache=cache, progress=self.progress
        )
