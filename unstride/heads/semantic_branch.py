"""The semantic branch of Panoptic FPN, whose every enlargement is any operator.

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
    """Convolution, group normalisation, rectification, and an operator to the next finer grid.

    Args:
        before, width: channels of what comes in, of what goes out.
        upsampler: makes the operator, see `build_upsampler`.
        scale: of the operator.
        guide_channels: of the finer level, its guide.
    """

    def __init__(
        self,
        before: int,
        width: int,
        upsampler: UpsamplerFactory,
        *,
        scale: int,
        guide_channels: int,
    ):
        super().__init__()
        self.block = conv_norm_relu(before, width, 3, group_norm)
        self.up = build_upsampler(upsampler, width, scale, guide_channels=guide_channels)

    def forward(
        self,
        maps: Float[Tensor, "b c h w"],
        finer: Float[Tensor, "b e H W"],
        image: Float[Tensor, "b 3 ih iw"] | None = None,
    ) -> Float[Tensor, "b d H W"]:
        """On the grid of the finer level."""
        size = finer.shape[2], finer.shape[3]
        return upsample_guided(self.block(maps), self.up, size, finer=finer, image=image)


class SemanticBranch(nn.Module):
    """Every level enlarged stage by stage to the finest grid, and summed there.

    Args:
        strides: of the levels, in pixels.
        channels: of every level.
        width: channels of the result.
        upsampler: makes the operator of each stage, called as `factory(width, scale=...)`, see
            `build_upsampler`; its guide is the level on the finer grid.
    """

    def __init__(
        self,
        strides: Sequence[int],
        channels: int = 256,
        width: int = 128,
        *,
        upsampler: UpsamplerFactory = Bilinear,
    ):
        super().__init__()
        self.strides = sorted(strides)
        self.finest = conv_norm_relu(channels, width, 3, group_norm)
        self.chains = nn.ModuleList()
        for last in range(1, len(self.strides)):
            chain = nn.ModuleList()
            for fine, coarse in reversed(list(pairwise(self.strides[: last + 1]))):
                before = width if chain else channels
                scale = coarse // fine
                stage = UpsampleStage(
                    before, width, upsampler, scale=scale, guide_channels=channels
                )
                chain.append(stage)
            self.chains.append(chain)

    def forward(
        self, levels: dict[int, Tensor], image: Float[Tensor, "b 3 ih iw"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """On the grid of the finest level.

        Args:
            levels: by stride; all that `strides` named.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.
        """
        total = self.finest(levels[self.strides[0]])
        for last, chain in enumerate(self.chains, 1):
            maps = levels[self.strides[last]]
            for stage, fine in zip(chain.children(), reversed(self.strides[:last]), strict=True):
                maps = stage(maps, levels[fine], image)
            total = total + maps
        return total
