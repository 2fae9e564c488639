"""Levels at several strides out of the one map that a plain vision transformer has.

Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (ViTDet), ECCV
2022, arXiv:2203.16527, section 3, the simple feature pyramid. There a transposed convolution
halves the channels as it doubles the grid; here a 1 x 1 convolution halves them, and any
operator doubles the grid. The convolutions that narrow every level to one width, which follow
there, are those of the FPN or decoder that stands on it.
"""

from collections.abc import Sequence
from math import log2
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d

from unstride.upsamplers import Deconvolution
from unstride.upsamplers.base import ChannelNorm
from unstride.upsamplers.inside import Factory, built_upsampler, enlarged


class SimpleFeaturePyramid(nn.Module):
    """Finer levels by doubling the map's grid, coarser ones by the maximum under each pixel.

    Args:
        channels: of the map; each doubling halves them.
        stride: of the map, in pixels.
        strides: of the levels, in pixels.
        upsampler: makes the operator of each doubling, called as `factory(channels, scale=2)`; a
            guide of three channels can be the image, others there are none.

    Attributes:
        strides: from the finest to the coarsest.
        channels: of the levels, by stride.

    Raises:
        ValueError: if a stride is not the map's, doubled or halved some times, or the operator
            needs features as its guide.
    """

    def __init__(
        self, channels: int, stride: int, strides: Sequence[int], upsampler: Factory = Deconvolution
    ):
        super().__init__()
        self.stride, self.strides = stride, tuple(sorted(set(strides)))
        octaves = {each: log2(stride / each) for each in self.strides}
        for each, octave in octaves.items():
            if octave % 1 or channels >> max(int(octave), 0) == 0:
                raise ValueError(
                    f"stride {each}: out of a map of stride {stride} with {channels} channels only "
                    f"{stride}, doubled or halved some times, can be made"
                )
        self.channels = {each: channels >> max(int(n), 0) for each, n in octaves.items()}
        self.doublings = nn.ModuleDict(
            {
                str(each): nn.ModuleList(
                    _Doubling(channels >> done, upsampler, first=done == 0)
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


class _Doubling(nn.Module):
    """Half the channels on twice the grid; between two of them a norm and a GELU."""

    def __init__(self, channels: int, upsampler: Factory, *, first: bool):
        super().__init__()
        self.norm = None if first else ChannelNorm(channels)
        self.narrow = nn.Conv2d(channels, channels // 2, 1)
        self.upsampler = built_upsampler(upsampler, channels // 2, 2)
        if self.upsampler.guide_channels not in (None, 3):
            name = type(self.upsampler).__name__
            raise ValueError(f"upsampler {name} needs finer features, and here are none")

    def forward(self, features: Float[Tensor, "b c h w"], image: Tensor | None) -> Tensor:
        if self.norm is not None:
            features = gelu(self.norm(features))
        size = 2 * features.shape[2], 2 * features.shape[3]
        return enlarged(self.narrow(features), self.upsampler, size, image=image)
