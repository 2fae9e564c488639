"""Panoptic-DeepLab's decoder: ASPP on the coarsest grid, then upsampling with skip connections.

Cheng et al., "Panoptic-DeepLab", CVPR 2020, arXiv:1911.10194, section 3. Group norm replaces batch
norm, so that small batches train.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from unstride.necks.conv_block import conv_norm_relu, group_norm
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided

ASPP_RATES = (96, 192, 288)  # of the dilated convolutions, in pixels: 6, 12, 18 cells at stride 16


class PanopticDecoder(nn.Module):
    """Applies ASPP to the coarsest features, then upsamples step by step with skip connections.

    Each step ends with a separable convolution, see `separable_conv`. A skip connection has
    out_channels * stride / 32 channels: with the paper's 256 channels, 64 at stride 8 and 32 at
    stride 4.

    Args:
        channels: channels of the features, by stride.
        context_channels: channels of ASPP's output.
        out_channels: channels of the result.
        upsampler: makes the operator of each step, see `build_upsampler`. Its guide is the skip
            connection.
    """

    def __init__(
        self,
        channels: dict[int, int],
        context_channels: int,
        out_channels: int,
        upsampler: UpsamplerFactory,
    ):
        super().__init__()
        self.strides = sorted(channels, reverse=True)
        rates = [max(rate // self.strides[0], 1) for rate in ASPP_RATES]
        self.context = ASPP(channels[self.strides[0]], context_channels, rates)
        self.skips, self.ups, self.fuse = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        in_channels = context_channels
        for coarse, fine in pairwise(self.strides):
            skip = max(out_channels * fine // 32, 1)
            self.skips.append(conv_norm_relu(channels[fine], skip, 1, group_norm))
            self.ups.append(
                build_upsampler(upsampler, in_channels, coarse // fine, guide_channels=skip)
            )
            self.fuse.append(separable_conv(in_channels + skip, out_channels))
            in_channels = out_channels

    def forward(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, "b c h w"]:
        """Features on the finest grid.

        Args:
            features: features by stride.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.
        """
        decoded = self.context(features[self.strides[0]])
        steps = zip(self.strides[1:], self.skips, self.ups, self.fuse, strict=True)
        for stride, skip, up, fuse in steps:
            finer = skip(features[stride])
            size = finer.shape[2], finer.shape[3]
            upsampled = upsample_guided(decoded, up, size, fine_features=finer, image=image)
            decoded = fuse(torch.cat([upsampled, finer], 1))
        return decoded


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: combines each pixel, its surroundings and the whole image.

    Args:
        in_channels: channels of the features.
        out_channels: channels of the result.
        rates: dilations of the 3 x 3 convolutions, in cells.
    """

    def __init__(self, in_channels: int, out_channels: int, rates: Sequence[int]):
        super().__init__()
        self.near = nn.ModuleList([conv_norm_relu(in_channels, out_channels, 1, group_norm)])
        self.near.extend(
            conv_norm_relu(in_channels, out_channels, 3, group_norm, dilation=rate)
            for rate in rates
        )
        self.whole = nn.Conv2d(in_channels, out_channels, 1)
        self.join = conv_norm_relu(out_channels * (len(rates) + 2), out_channels, 1, group_norm)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The combined features, on the same grid."""
        near = [block(features) for block in self.near]
        whole = relu(self.whole(features.mean((2, 3), keepdim=True)))
        return self.join(torch.cat([*near, whole.expand_as(near[0])], 1))


def separable_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """A depthwise 5 x 5 convolution and a 1 x 1 convolution, each with group norm and ReLU."""
    return nn.Sequential(
        conv_norm_relu(in_channels, in_channels, 5, group_norm, groups=in_channels),
        conv_norm_relu(in_channels, out_channels, 1, group_norm),
    )
