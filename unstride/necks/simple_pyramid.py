"""Levels at several strides out of the one map that a plain vision transformer has.

Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (ViTDet), ECCV
2022, arXiv:2203.16527, section 3, the simple feature pyramid. There a transposed convolution
with a kernel of 2 halves the channels as it doubles the grid; here a 1 x 1 convolution halves
them, and any operator doubles the grid. There two convolutions narrow each level to one width
and nothing goes from level to level; here that is left to what stands on it, often an FPN.
"""

from collections.abc import Sequence
from math import log2
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d

from unstride.upsamplers import Deconvolution
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.layers import LayerNorm2d


class SimpleFeaturePyramid(nn.Module):
    """Finer levels by doubling the map's grid, coarser ones by the maximum under each pixel.

    Args:
        channels: of the map; each doubling halves them.
        stride: of the map, in pixels.
        strides: of the levels, in pixels.
        upsampler: makes the operator of each doubling, see `build_upsampler`; its guide is the
            image.

    Attributes:
        strides: from the finest to the coarsest.
        channels: of the levels, by stride.

    Raises:
        ValueError: if there is no stride, or one that is not the map's, doubled or halved some
            times; or if the operator cannot be guided by three channels.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        *,
        strides: Sequence[int],
        upsampler: UpsamplerFactory = Deconvolution,
    ):
        super().__init__()
        self.stride, self.strides = stride, tuple(sorted(set(strides)))
        if not self.strides:
            raise ValueError("strides must name at least one stride, got none")
        octaves = {each: log2(stride / each) if each > 0 else 0.5 for each in self.strides}
        for each, octave in octaves.items():
            if octave % 1 or channels >> max(int(octave), 0) == 0:
                halves = [stride >> n for n in range(stride.bit_length()) if stride % 2**n == 0]
                possible = [n for n in halves[::-1] if channels * n >= stride]
                raise ValueError(
                    f"stride {each}: out of a map of stride {stride} with {channels} channels "
                    f"there can be {', '.join(map(str, possible))}, {2 * stride} and so on"
                )
        self.channels = {each: channels >> max(int(n), 0) for each, n in octaves.items()}
        self.doublings = nn.ModuleDict(
            {
                str(each): nn.ModuleList(
                    _UpsampleBlock(channels >> done, upsampler, first=done == 0)
                    for done in range(int(n))
                )
                for each, n in octaves.items()
                if n > 0
            }
        )

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        image: Float[Tensor, "b 3 H W"] | None = None,
    ) -> dict[int, Tensor]:
        """The levels by stride, finest first.

        Args:
            features: the map; its sides are multiples of how much coarser the last level is.
            image: RGB in [0, 1], covering the same area, for operators that need it.
        """
        levels = {}
        for stride in self.strides:
            step = stride // self.stride
            level = max_pool2d(features, step) if step > 1 else features
            doublings: Any = self.doublings[str(stride)] if stride < self.stride else ()
            for doubling in doublings:
                level = doubling(level, image)
            levels[stride] = level
        return levels

    def drop_finer(self, stride: int) -> None:
        """Levels finer than this stride are no longer made, here and in what is written."""
        for each in [each for each in self.strides if each < stride]:
            if str(each) in self.doublings:
                del self.doublings[str(each)]
            del self.channels[each]
        self.strides = tuple(self.channels)


class _UpsampleBlock(nn.Module):
    """Half the channels on twice the grid; between two of them a norm and a GELU."""

    def __init__(self, channels: int, upsampler: UpsamplerFactory, *, first: bool):
        super().__init__()
        self.norm = None if first else LayerNorm2d(channels)
        self.narrow = nn.Conv2d(channels, channels // 2, 1)
        self.upsampler = build_upsampler(upsampler, channels // 2, 2, guide_channels=3)

    def forward(self, features: Float[Tensor, "b c h w"], image: Tensor | None) -> Tensor:
        if self.norm is not None:
            features = gelu(self.norm(features))
        size = 2 * features.shape[2], 2 * features.shape[3]
        return upsample_guided(self.narrow(features), self.upsampler, size, image=image)
