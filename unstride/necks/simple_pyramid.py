"""Makes levels at several strides from the single feature map of a plain vision transformer.

Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (ViTDet), ECCV
2022, arXiv:2203.16527, section 3, the simple feature pyramid. Two differences: in the paper a
transposed convolution with a kernel of 2 halves the channels and doubles the grid; here a 1 x 1
convolution halves the channels, and any operator doubles the grid. In the paper two convolutions
reduce each level to one width, without connections between levels; here this is left to the next
module, often an FPN.
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
    """Makes finer levels by doubling the grid, and coarser levels by max pooling.

    Args:
        channels: channels of the input. Each doubling halves them.
        stride: stride of the input, in pixels.
        strides: strides of the levels, in pixels.
        upsampler: makes the operator of each doubling, see `build_upsampler`. Its guide is the
            image.

    Attributes:
        strides: from the finest to the coarsest.
        channels: channels of the levels, by stride.

    Raises:
        ValueError: if there is no stride, or a stride is not the input's doubled or halved a whole
            number of times; or if the operator cannot be guided by three channels.
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
            raise ValueError("strides must contain at least one stride, got none")
        octaves = {level: log2(stride / level) if level > 0 else 0.5 for level in self.strides}
        for level_stride, octave in octaves.items():
            if octave % 1 or channels >> max(int(octave), 0) == 0:
                finer_strides = [
                    stride >> n for n in range(stride.bit_length()) if stride % 2**n == 0
                ]
                possible = [n for n in finer_strides[::-1] if channels * n >= stride]
                raise ValueError(
                    f"strides from a map of stride {stride} with {channels} channels must be among "
                    f"{', '.join(map(str, possible))}, {2 * stride} and so on, got {level_stride}"
                )
        self.channels = {level: channels >> max(int(n), 0) for level, n in octaves.items()}
        self.doublings = nn.ModuleDict(
            {
                str(level): nn.ModuleList(
                    _UpsampleBlock(channels >> i, upsampler, is_first=i == 0) for i in range(int(n))
                )
                for level, n in octaves.items()
                if n > 0
            }
        )

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        image: Float[Tensor, "b 3 H W"] | None = None,
    ) -> dict[int, Tensor]:
        """Levels by stride, finest first.

        Args:
            features: features of the input's stride. Their sides are multiples of the coarsest
                level's stride divided by the input's.
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

    def drop_finer_levels(self, stride: int) -> None:
        """Remove the levels finer than this stride, with their parameters."""
        for level in [level for level in self.strides if level < stride]:
            if str(level) in self.doublings:
                del self.doublings[str(level)]
            del self.channels[level]
        self.strides = tuple(self.channels)


class _UpsampleBlock(nn.Module):
    """Halves the channels and doubles the grid. Begins with a norm and a GELU, except the first."""

    def __init__(self, channels: int, upsampler: UpsamplerFactory, *, is_first: bool):
        super().__init__()
        self.norm = None if is_first else LayerNorm2d(channels)
        self.narrow = nn.Conv2d(channels, channels // 2, 1)
        self.upsampler = build_upsampler(upsampler, channels // 2, 2, guide_channels=3)

    def forward(self, features: Float[Tensor, "b c h w"], image: Tensor | None) -> Tensor:
        if self.norm is not None:
            features = gelu(self.norm(features))
        size = 2 * features.shape[2], 2 * features.shape[3]
        return upsample_guided(self.narrow(features), self.upsampler, size, image=image)
