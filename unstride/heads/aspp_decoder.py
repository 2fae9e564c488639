"""TODO."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from unstride.necks.conv_block import group_norm
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided

ASPP_RATES = (96, 192, 288)  # of the dilated convolutions, in pixels: 6, 12, 18 cells at stride 16


class PanopticDecoder(nn.Module):
    """Context by dilated convolutions on the coarsest grid, enlarged step by step past the skips.

    A 5 x 5 convolution of each channel by itself, then one of 1 x 1, follow each step. A skip has
    width * stride / 32 channels: at the paper's width of 256, 64 at stride 8 and 32 at 4.

    Args:
        channels: of the features, by stride.
        context: channels of what the coarsest grid becomes.
        width: channels of the result.
        upsampler: a factory.
    """

    def __init__(
        self, channels: dict[int, int], context: int, width: int, upsampler: UpsamplerFactory
    ):
        super().__init__()
        self.strides = sorted(channels, reverse=True)
        rates = [max(rate // self.strides[0], 1) for rate in ASPP_RATES]
        self.context = ASPP(channels[self.strides[0]], context, rates)
        self.skips, self.ups, self.fuse = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = context
        for coarse, fine in pairwise(self.strides):
            skip = max(width * fine // 32, 1)
            self.skips.append(_conv_norm_relu(channels[fine], skip, 1))
            self.ups.append(build_upsampler(upsampler, before, coarse // fine, guide_channels=skip))
            self.fuse.append(_separable_conv(before + skip, width))
            before = width

    def forward(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, "b c h w"]:
        """On the finest grid."""
        maps = self.context(features[self.strides[0]])
        steps = zip(self.strides[1:], self.skips, self.ups, self.fuse, strict=True)
        for stride, skip, up, fuse in steps:
            finer = skip(features[stride])
            size = finer.shape[2], finer.shape[3]
            wide = upsample_guided(maps, up, size, finer=finer, image=image)
            maps = fuse(torch.cat([wide, finer], 1))
        return maps


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a pixel, its wider surroundings, and the whole image.

    Args:
        channels: of the features.
        width: of the result.
        rates: of the dilated convolutions, in cells.
    """

    def __init__(self, channels: int, width: int, rates: Sequence[int]):
        super().__init__()
        self.near = nn.ModuleList([_conv_norm_relu(channels, width, 1)])
        self.near.extend(_conv_norm_relu(channels, width, 3, rate) for rate in rates)
        self.whole = nn.Conv2d(channels, width, 1)
        self.join = _conv_norm_relu(width * (len(rates) + 2), width, 1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """On the same grid."""
        near = [block(features) for block in self.near]
        whole = relu(self.whole(features.mean((2, 3), keepdim=True)))
        return self.join(torch.cat([*near, whole.expand_as(near[0])], 1))


def _conv_norm_relu(
    before: int, after: int, side: int, rate: int = 1, groups: int = 1
) -> nn.Sequential:
    reach = rate * (side // 2)
    convolution = nn.Conv2d(
        before, after, side, padding=reach, dilation=rate, groups=groups, bias=False
    )
    return nn.Sequential(convolution, group_norm(after), nn.ReLU())


def _separable_conv(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        _conv_norm_relu(before, before, 5, groups=before), _conv_norm_relu(before, after, 1)
    )
