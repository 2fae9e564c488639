"""From a pyramid to the image's own pixels: an FPN, and one more step by the same operator."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from unstride.necks.fpn import FPN
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.interpolation import Bilinear

DECODER_WIDTH = 64  # channels of every level


class PixelDecoder(nn.Module):
    """Levels of one width at the finest strides: 1, and then those of the pyramid.

    Args:
        channels: of the features that come in, by stride.
        upsampler: makes the operators, called as `factory(width, scale=...)`. Between levels its
            guide is the finer level; in the last step, from the finest stride to pixels, the
            image.
        width: channels of every level.
        levels: how many there are, at least 1.

    Attributes:
        strides: of the levels, from 1 on.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: int = DECODER_WIDTH,
        levels: int = 1,
    ):
        super().__init__()
        self.neck = FPN(channels, width, upsampler)
        for i in range(max(levels - 1, 1), len(channels)):
            self.neck.layer_blocks[i] = nn.Identity()  # what nobody reads has nothing to learn
        self.strides: Sequence[int] = (1, *sorted(channels))[:levels]
        self.finest = min(channels)
        self.up = build_upsampler(upsampler, width, self.finest, guide_channels=3)

    def forward(
        self, features: Mapping[int, Tensor], image: Float[Tensor, "b 3 H W"]
    ) -> dict[int, Tensor]:
        """Levels by stride, finest first.

        Args:
            features: by stride.
            image: RGB in [0, 1], padded as the features.
        """
        levels = self.neck(features, image)
        size = image.shape[2], image.shape[3]
        pixels = upsample_guided(levels[self.finest], self.up, size, image=image)
        return {1: pixels} | {stride: levels[stride] for stride in self.strides[1:]}


def prediction_head(width: int, channels: int) -> nn.Sequential:
    """What is read off a level: two convolutions, the second without a nonlinearity."""
    return nn.Sequential(
        nn.ELU(),
        nn.Conv2d(width, width // 2, 3, padding=1, padding_mode="reflect"),
        nn.ELU(),
        nn.Conv2d(width // 2, channels, 1),
    )
