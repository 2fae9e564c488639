"""A2U's matting network: a ResNet whose downsampling shares its weights with the decoder.

Dai, Lu, Shen, "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021,
arXiv:2011.14288, section 4. As in the released code, the first convolution keeps the resolution,
there are three stages of residual blocks down to stride 16, shortcuts are convolved and added, and
each decoder step has two convolutions. Any downsampler and upsampler can stand in the four steps.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from unstride.models.matting.layers import ASPP, conv_norm
from unstride.models.matting.matting_network import MattingNetwork
from unstride.upsamplers.by_name import create_pair
from unstride.upsamplers.pair import Pair

SLOPE = 0.01
ACTIVATION = partial(nn.LeakyReLU, SLOPE)
DILATIONS = 6, 12, 18


class A2UNet(MattingNetwork):
    """Encoder, pyramid pooling and decoder with a pair of operators at each of four steps.

    Args:
        width: channels at the finest two levels; the coarsest has four times as many.
        blocks: number of residual blocks of each stage; the first block of the last two halves the
            grid.
        down: downsampler of all steps, by name.
        up: upsampler of all steps, by name. "a2u" after "a2u_down", and "index" after "index_down",
            share one predictor.
        pair_options: options of the upsampler, or of a pair that shares its predictor, for example
            {"sharing": "shared", "dynamic": False}.
        aspp: whether there is pyramid pooling at stride 16.
        decoder_kernel_size: side of the decoder's convolutions.
    """

    size_divisor = 16

    def __init__(
        self,
        width: int = 64,
        *,
        blocks: Sequence[int] = (3, 4, 4),
        down: str = "a2u_down",
        up: str = "a2u",
        pair_options: Mapping[str, Any] | None = None,
        aspp: bool = True,
        decoder_kernel_size: int = 5,
    ):
        super().__init__()

        def pair(channels: int) -> Pair:
            return create_pair(down, up, channels, **(pair_options or {}))

        self.stem = conv_norm(4, width, 7, ACTIVATION)
        self.pair0, self.pair1 = pair(width), pair(width)
        self.stage1 = residual_blocks(width, blocks[0])
        self.halve2 = HalvingBlock(width, 2 * width, pair(2 * width))
        self.stage2 = residual_blocks(2 * width, blocks[1] - 1)
        self.halve3 = HalvingBlock(2 * width, 4 * width, pair(4 * width))
        self.stage3 = residual_blocks(4 * width, blocks[2] - 1)
        self.aspp: nn.Module = nn.Identity()
        if aspp:
            self.aspp = ASPP(4 * width, 4 * width, 4 * width, DILATIONS, ACTIVATION)
        steps = [  # channels of the coarse features, of the shortcut and of the result
            (4 * width, 2 * width, 2 * width),
            (2 * width, width, width),
            (width, width, width),
            (width, 4, width // 2),
        ]
        self.shortcuts, self.decoder = nn.ModuleList(), nn.ModuleList()
        for coarse, shortcut, channels in steps:
            self.shortcuts.append(conv_norm(shortcut, coarse, 3, ACTIVATION))
            self.decoder.append(
                nn.Sequential(
                    conv_norm(coarse, channels, decoder_kernel_size, ACTIVATION),
                    conv_norm(channels, channels, decoder_kernel_size, ACTIVATION),
                )
            )
        side = decoder_kernel_size
        self.head = nn.Sequential(
            conv_norm(width // 2, 1, side, ACTIVATION),
            nn.Conv2d(1, 1, side, padding=side // 2, bias=False),
        )

    def raw_alpha(self, inputs: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Encode and decode."""
        fine = self.stem(inputs)
        half, shared0 = self.pair0.downsample(fine)
        quarter, shared1 = self.pair1.downsample(half)
        first = self.stage1(quarter)
        second, fine2, shared2 = self.halve2(first)
        second = self.stage2(second)
        third, fine3, shared3 = self.halve3(second)
        maps = self.aspp(self.stage3(third))
        steps = (
            (self.halve3.pair, fine3, shared3, second),
            (self.halve2.pair, fine2, shared2, first),
            (self.pair1, half, shared1, half),
            (self.pair0, fine, shared0, inputs),
        )
        for (pair, finer, shared, skip), shortcut, block in zip(
            steps, self.shortcuts, self.decoder, strict=True
        ):
            maps = block(pair.upsample(maps, finer, shared) + shortcut(skip))
        return self.head(maps)


class ResidualBlock(nn.Module):
    """Two convolutions, added to the input.

    Args:
        channels: of the input and of the result.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv_norm(channels, channels, 3, ACTIVATION)
        self.second = conv_norm(channels, channels, 3, None)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Run the block."""
        return leaky_relu(maps + self.second(self.first(maps)), SLOPE)


class HalvingBlock(nn.Module):
    """A residual block that halves the grid by a downsampler between its convolutions.

    Args:
        in_channels: channels of the input.
        channels: channels of the result.
        pair: the downsampler with its upsampler.
    """

    def __init__(self, in_channels: int, channels: int, pair: Pair):
        super().__init__()
        self.first = conv_norm(in_channels, channels, 3, ACTIVATION)
        self.second = conv_norm(channels, channels, 3, None)
        self.pair = pair
        self.project = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, 2, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, maps: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor, Any]:
        """The coarse result, the fine map that was downsampled, and what the pair shares."""
        fine = self.first(maps)
        coarse, shared = self.pair.downsample(fine)
        return leaky_relu(self.second(coarse) + self.project(maps), SLOPE), fine, shared


def residual_blocks(channels: int, count: int) -> nn.Sequential:
    """Residual blocks in a row; none if the count is 0."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))
