"""Chains upsamplers: four published operators of scale 2 undo stride 16."""

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
    """One upsampler after another, each at its own scale; the last one outputs the size.

    Args:
        upsamplers: from the coarsest to the finest. Each gets the same guide, which it resizes
            to its own grid.

    Raises:
        ValueError: if there are no upsamplers, or they need different guides.
    """

    def __init__(self, *upsamplers: Upsampler):
        if not upsamplers:
            raise ValueError("upsamplers must contain at least one upsampler, got none")
        super().__init__(upsamplers[0].channels, math.prod(up.scale for up in upsamplers))
        self.upsamplers = nn.ModuleList(upsamplers)
        required = {n for up in upsamplers if (n := up.guide_channels) is not None}
        if len(required) > 1:
            raise ValueError(
                "guide_channels must be the same in all stages of a cascade, "
                f"got {sorted(required)}"
            )
        self.guide_channels = max(required, default=None)

    def forward(self, features, guide=None, size=None):
        """Run the stages in turn; no stage before the last goes finer than `size`."""
        grids = self.stage_grids(features.shape[2:], self.output_size(features, size))
        for up, (_, stage_size) in zip(self.upsamplers, grids, strict=True):
            features = up(features, guide, stage_size)
        return features

    def halo(self, grid, size, guide_size=None):
        """The halos of all stages, each converted to cells of the first grid."""
        halo = 0
        stages = zip(self.stages, self.stage_grids(grid, size), strict=True)
        for stage, (stage_grid, stage_size) in reversed(list(stages)):
            stage_halo = stage.halo(stage_grid, stage_size, guide_size)
            if stage_halo is None or type(stage).encode_guide is not Upsampler.encode_guide:
                return None
            halo = stage_halo + cells_covering(halo, stage_grid, stage_size)
        return halo

    def to_config(self) -> dict[str, Any]:
        """The configuration of each stage."""
        if type(self) is not Cascade:
            return super().to_config()
        return {"upsampler": NAME, "stages": [describe(up) for up in self.upsamplers]}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], classes: Sequence[type], *, channels: int | None = None
    ) -> "Cascade":
        """Build a cascade from what `to_config` returned; arguments as in `build`."""
        stages = config.get("stages") or ()
        return cls(*(build(stage, classes, channels=channels) for stage in stages))

    @property
    def stages(self) -> list[Upsampler]:
        """The upsamplers, from the coarsest to the finest."""
        return [up for up in self.upsamplers if isinstance(up, Upsampler)]

    def stage_grids(
        self, grid: Sequence[int], size: tuple[int, int]
    ) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The input grid and the output grid of each stage."""
        grids = [(grid[0], grid[1])]
        for up in self.stages[:-1]:
            h, w = (n * up.scale for n in grids[-1])
            grids.append((min(h, size[0]), min(w, size[1])))
        return list(pairwise([*grids, size]))
