"""The semantic branch of Panoptic FPN, with any operator for its upsampling.

Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, arXiv:1901.02446, section 3.1
and figure 3.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from unstride.necks.conv_block import conv_norm_relu, group_norm
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided


class UpsampleStage(nn.Module):
    """A convolution with group norm and ReLU, then an operator to the next finer grid.

    Args:
        in_channels, out_channels: channels of the input and of the result.
        upsampler: makes the operator, see `build_upsampler`.
        scale: scale of the operator.
        guide_channels: channels of the finer level, which is the guide.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        upsampler: UpsamplerFactory,
        *,
        scale: int,
        guide_channels: int,
    ):
        super().__init__()
        self.block = conv_norm_relu(in_channels, out_channels, 3, group_norm)
        self.up = build_upsampler(upsampler, out_channels, scale, guide_channels=guide_channels)

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        finer_level: Float[Tensor, "b e H W"],
        image: Float[Tensor, "b 3 ih iw"] | None = None,
    ) -> Float[Tensor, "b d H W"]:
        """Upsampled features on the grid of the finer level."""
        size = finer_level.shape[2], finer_level.shape[3]
        return upsample_guided(
            self.block(features), self.up, size, fine_features=finer_level, image=image
        )


class SemanticBranch(nn.Module):
    """Upsamples every level in stages to the finest grid, and sums them there.

    Args:
        strides: strides of the levels, in pixels.
        in_channels: channels of every level.
        out_channels: channels of the result.
        upsampler: makes the operator of each stage, called as `factory(out_channels, scale=...)`,
            see `build_upsampler`. Its guide is the level on the finer grid.
    """

    def __init__(
        self,
        strides: Sequence[int],
        in_channels: int = 256,
        out_channels: int = 128,
        *,
        upsampler: UpsamplerFactory = Bilinear,
    ):
        super().__init__()
        self.strides = sorted(strides)
        self.finest = conv_norm_relu(in_channels, out_channels, 3, group_norm)
        self.chains = nn.ModuleList()
        for level_index in range(1, len(self.strides)):
            chain = nn.ModuleList()
            for fine, coarse in reversed(list(pairwise(self.strides[: level_index + 1]))):
                stage = UpsampleStage(
                    out_channels if chain else in_channels,
                    out_channels,
                    upsampler,
                    scale=coarse // fine,
                    guide_channels=in_channels,
                )
                chain.append(stage)
            self.chains.append(chain)

    def forward(
        self, levels: dict[int, Tensor], image: Float[Tensor, "b 3 ih iw"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """The sum on the grid of the finest level.

        Args:
            levels: levels by stride, for every stride of `strides`.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.
        """
        total = self.finest(levels[self.strides[0]])
        for i, chain in enumerate(self.chains, 1):
            features = levels[self.strides[i]]
            for stage, fine in zip(chain.children(), reversed(self.strides[:i]), strict=True):
                features = stage(features, levels[fine], image)
            total = total + features
        return total
