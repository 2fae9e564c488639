"""Chains upsamplers: the published operators of scale 2 reach stride 16 in four stages."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from unstride.saving.configuration import build, describe
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.resize import cells_covering

NAME = "cascade"  # in config.json


class Cascade(Upsampler):
    """One upsampler after another, each at its own scale; the last one meets the size.

    Args:
        upsamplers: from the coarsest on; each takes the same guide, resized to its grid.
    """

    def __init__(self, *upsamplers: Upsampler):
        super().__init__(upsamplers[0].channels, math.prod(up.scale for up in upsamplers))
        self.upsamplers = nn.ModuleList(upsamplers)
        needed = {n for up in upsamplers if (n := up.guide_channels) is not None}
        if len(needed) > 1:
            raise ValueError(f"guide_channels must agree in a cascade, got {sorted(needed)}")
        self.guide_channels = max(needed, default=None)

    def forward(self, features, guide=None, size=None):
        """Each stage in turn, but no finer than `size` before the last."""
        steps = self.steps(features.shape[2:], self.output_size(features, size))
        for up, (_, reached) in zip(self.upsamplers, steps, strict=True):
            features = up(features, guide, reached)
        return features

    def halo(self, grid, size, seen=None):
        """Of each stage, in cells of its own grid, beyond what the next stage needs."""
        needed = 0
        stages = zip(self.each, self.steps(grid, size), strict=True)
        for up, (before, after) in reversed(list(stages)):
            own = up.halo(before, after, seen)
            if own is None or type(up).describe is not Upsampler.describe:
                return None
            needed = own + cells_covering(needed, before, after)
        return needed

    def to_config(self) -> dict[str, Any]:
        """The configuration of each stage."""
        if type(self) is not Cascade:
            return super().to_config()
        return {"upsampler": NAME, "stages": [describe(up) for up in self.upsamplers]}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], classes: Sequence[type], *, channels: int | None = None
    ) -> "Cascade":
        """The cascade that `to_config` described; the arguments are those of `build`."""
        stages = config.get("stages") or ()
        return cls(*(build(stage, classes, channels=channels) for stage in stages))

    @property
    def each(self) -> list[Upsampler]:
        """The stages."""
        return [up for up in self.upsamplers if isinstance(up, Upsampler)]

    def steps(
        self, grid: Sequence[int], size: tuple[int, int]
    ) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """From which grid to which each stage goes."""
        grids = [(grid[0], grid[1])]
        for up in self.each[:-1]:
            h, w = (n * up.scale for n in grids[-1])
            grids.append((min(h, size[0]), min(w, size[1])))
        return list(pairwise([*grids, size]))
