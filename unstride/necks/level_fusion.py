"""All levels of a pyramid side by side on the finest grid.

In one bilinear step each, as Xiao et al., "Unified Perceptual Parsing for Scene Understanding",
ECCV 2018, arXiv:1807.10221, and Wang et al., "Deep High-Resolution Representation Learning for
Visual Recognition", TPAMI 2020, arXiv:1908.07919 (HRNetV2), have it. With an operator, from
level to level, what is concatenated so far enlarged together: Wang et al., "CARAFE", ICCV 2019,
arXiv:1905.02188, section 4.2.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided


class LevelFusion(nn.Module):
    """The levels concatenated, finest first, on the grid of the finest.

    Args:
        channels: of the levels, by stride.
        upsampler: makes the operator from each level to the next finer, called as
            `factory(channels, scale=...)`, see `build_upsampler`, with the channels of all
            coarser levels together; its guide is the finer level. By default bilinear.

    Attributes:
        width: channels of the result.
    """

    def __init__(self, channels: Mapping[int, int], upsampler: UpsamplerFactory | None = None):
        super().__init__()
        self.strides = sorted(channels)
        self.width = sum(channels.values())
        self.upsamplers = nn.ModuleList()
        if upsampler is None:
            return
        for fine, coarse in pairwise(self.strides):
            together = sum(channels[stride] for stride in self.strides if stride >= coarse)
            guide = channels[fine]
            up = build_upsampler(upsampler, together, coarse // fine, guide_channels=guide)
            self.upsamplers.append(up)

    def forward(
        self, levels: Mapping[int, Tensor], image: Float[Tensor, "b 3 ih iw"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """On the finest grid.

        Args:
            levels: by stride; all that `channels` named.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.
        """
        finest, *coarser = (levels[stride] for stride in self.strides)
        if not self.upsamplers:
            whole = finest.shape[2:]
            rest = [interpolate(level, whole, mode="bilinear") for level in coarser]
            return torch.cat([finest, *rest], 1)
        maps = levels[self.strides[-1]]
        for i in reversed(range(len(self.upsamplers))):
            fine = levels[self.strides[i]]
            size = fine.shape[2], fine.shape[3]
            maps = upsample_guided(maps, self.upsamplers[i], size, finer=fine, image=image)
            maps = torch.cat([fine, maps], 1)
        return maps
