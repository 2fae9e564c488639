"""Decodes a pyramid to the image's resolution: an FPN, and one more step by the same operator."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from unstride.necks.fpn import FPN
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.interpolation import Bilinear

DECODER_WIDTH = 64  # channels of every level


class PixelDecoder(nn.Module):
    """Makes levels of equal width at stride 1 and at the finest strides of the pyramid.

    Args:
        channels: channels of the input features, by stride.
        upsampler: makes the operators, called as `factory(width, scale=...)`. Their guide is the
            finer level; in the last step, from the finest stride to pixels, it is the image.
        width: channels of every level.
        num_levels: number of levels, at least 1.

    Attributes:
        strides: strides of the levels, from 1 on.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: int = DECODER_WIDTH,
        num_levels: int = 1,
    ):
        super().__init__()
        self.neck = FPN(channels, width, upsampler)
        for i in range(max(num_levels - 1, 1), len(channels)):
            self.neck.layer_blocks[i] = nn.Identity()  # an unused level would get no gradient
        self.strides: Sequence[int] = (1, *sorted(channels))[:num_levels]
        self.finest_stride = min(channels)
        self.up = build_upsampler(upsampler, width, self.finest_stride, guide_channels=3)

    def forward(
        self, features: Mapping[int, Tensor], image: Float[Tensor, "b 3 H W"]
    ) -> dict[int, Tensor]:
        """Levels by stride, finest first.

        Args:
            features: features by stride.
            image: RGB in [0, 1], padded as the features.
        """
        levels = self.neck(features, image)
        size = image.shape[2], image.shape[3]
        pixels = upsample_guided(levels[self.finest_stride], self.up, size, image=image)
        return {1: pixels} | {stride: levels[stride] for stride in self.strides[1:]}


def prediction_head(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions that predict from a level; no nonlinearity follows the second."""
    return nn.Sequential(
        nn.ELU(),
        nn.Conv2d(in_channels, in_channels // 2, 3, padding=1, padding_mode="reflect"),
        nn.ELU(),
        nn.Conv2d(in_channels // 2, out_channels, 1),
    )
