"""Concatenates all levels of a pyramid on the finest grid.

Without an operator, each level is upsampled bilinearly in one step: Xiao et al., "Unified
Perceptual Parsing for Scene Understanding", ECCV 2018, arXiv:1807.10221; Wang et al., "Deep
High-Resolution Representation Learning for Visual Recognition", TPAMI 2020, arXiv:1908.07919
(HRNetV2). With an operator, the levels concatenated so far are upsampled together from level to
level: Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188, section 4.2.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided


class LevelFusion(nn.Module):
    """Concatenates levels on the grid of the finest, finest level first.

    Args:
        channels: channels of the levels, by stride.
        upsampler: makes the operator from each level to the next finer one, called as
            `factory(channels, scale=...)` with the channels of all coarser levels together, see
            `build_upsampler`. Its guide is the finer level. Default: bilinear.

    Attributes:
        out_channels: channels of the result.
    """

    def __init__(self, channels: Mapping[int, int], upsampler: UpsamplerFactory | None = None):
        super().__init__()
        self.strides = sorted(channels)
        self.out_channels = sum(channels.values())
        self.upsamplers = nn.ModuleList()
        if upsampler is None:
            return
        for fine, coarse in pairwise(self.strides):
            channels_so_far = sum(channels[stride] for stride in self.strides if stride >= coarse)
            guide = channels[fine]
            up = build_upsampler(upsampler, channels_so_far, coarse // fine, guide_channels=guide)
            self.upsamplers.append(up)

    def forward(
        self, levels: Mapping[int, Tensor], image: Float[Tensor, "b 3 ih iw"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """All levels on the finest grid.

        Args:
            levels: levels by stride, for every stride of `channels`.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.
        """
        finest, *coarser = (levels[stride] for stride in self.strides)
        if not self.upsamplers:
            grid = finest.shape[2:]
            upsampled = [interpolate(level, grid, mode="bilinear") for level in coarser]
            return torch.cat([finest, *upsampled], 1)
        features = levels[self.strides[-1]]
        for i in reversed(range(len(self.upsamplers))):
            fine = levels[self.strides[i]]
            size = fine.shape[2], fine.shape[3]
            features = upsample_guided(
                features, self.upsamplers[i], size, fine_features=fine, image=image
            )
            features = torch.cat([fine, features], 1)
        return features
