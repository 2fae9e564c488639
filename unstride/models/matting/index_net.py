"""IndexNet's matting network: a MobileNetV2 whose downsampling learns indices for the decoder.

Lu, Dai, Shen, Xu, "Indices Matter: Learning to Index for Deep Image Matting", ICCV 2019,
arXiv:1908.00672, section 5. As in the released code, all convolutions keep the resolution, five
downsamplers reach stride 32, and the decoder concatenates. Any downsampler and upsampler can stand
in the five steps. Blocks are padded before their first convolution, as in the released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from unstride.models.matting.layers import ASPP, conv_norm
from unstride.models.matting.matting_network import MattingNetwork
from unstride.upsamplers.by_name import create_pair
from unstride.upsamplers.pair import Pair

# expansion, channels in units of 8 at the usual width, blocks; whether the grid is halved after it
LAYERS = (
    (1, 16, 1, False), (6, 24, 2, True), (6, 32, 3, True), (6, 64, 4, True), (6, 96, 3, False),
    (6, 160, 3, True), (6, 320, 1, False),
)  # fmt: skip
STEM, ASPP_WIDTH = 32, 256
DILATIONS = 2, 4, 8
DECODED = 96, 64, 32, 24, 16, 32, 32  # channels after each decoder step, from coarse to fine
INDEX_OPTIONS = {"start": "published", "expansion": 2}


class IndexNet(MattingNetwork):
    """Encoder, pyramid pooling and decoder with a pair of operators at each of five steps.

    Args:
        width: factor of all numbers of channels.
        blocks: number of blocks of each of the seven layers. Default: those of MobileNetV2.
        down: downsampler of all steps, by name.
        up: upsampler of all steps, by name; see `A2UNet`.
        pair_options: options of the upsampler, or of a pair that shares its predictor. Default:
            the released ones.
        aspp: whether there is pyramid pooling at stride 32.
    """

    size_divisor = 32

    def __init__(
        self,
        width: float = 1.0,
        *,
        blocks: Sequence[int] = tuple(layer[2] for layer in LAYERS),
        down: str = "index_down",
        up: str = "index",
        pair_options: Mapping[str, Any] | None = None,
        aspp: bool = True,
    ):
        super().__init__()
        is_released = (down, up) == ("index_down", "index")
        chosen = pair_options or (INDEX_OPTIONS if is_released else {})

        def scaled(channels: int) -> int:
            return max(int(channels * width), 1)

        def pair(channels: int) -> Pair:
            return create_pair(down, up, channels, **chosen)

        self.stem = conv_norm(4, scaled(STEM), 3, nn.ReLU6)
        self.layers, self.pairs = nn.ModuleList(), nn.ModuleList([pair(scaled(STEM))])
        channels, levels = scaled(STEM), [scaled(STEM)]
        self.halves = [True]  # after the stem and after each layer
        for (expansion, wide, _, is_halved), count in zip(LAYERS, blocks, strict=True):
            layer = []
            for _ in range(count):
                layer.append(InvertedResidual(channels, scaled(wide), expansion))
                channels = scaled(wide)
            self.layers.append(nn.Sequential(*layer))
            self.halves.append(is_halved)
            levels.append(channels)
            if is_halved:
                self.pairs.append(pair(channels))
        coarse = levels[-2]
        self.context: nn.Module = conv_norm(channels, coarse, 1, nn.ReLU6)
        if aspp:
            self.context = ASPP(channels, coarse, scaled(ASPP_WIDTH), DILATIONS, nn.ReLU6)
        self.decoder = nn.ModuleList()
        for level, wide in zip(levels[-2::-1], DECODED, strict=True):
            self.decoder.append(conv_norm(2 * level, scaled(wide), 5, nn.ReLU6))
        self.head = nn.Sequential(
            conv_norm(scaled(DECODED[-1]), 1, 5, nn.ReLU6),
            nn.Conv2d(1, 1, 5, padding=2, bias=False),
        )

    def raw_alpha(self, inputs: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Encode and decode."""
        maps, pairs = self.stem(inputs), list(self.pairs)
        levels: list[tuple[Tensor, Any, Any]] = []  # maps before they are halved, and by what
        for layer, is_halved in zip(self.layers, self.halves, strict=False):
            pair: Any = pairs.pop(0) if is_halved else None
            fine, shared = maps, None
            if pair is not None:
                maps, shared = pair.downsample(fine)
            levels.append((fine, pair, shared))
            maps = layer(maps)
        maps = self.context(maps)
        for block, (fine, pair, shared) in zip(self.decoder, levels[::-1], strict=True):
            shortcut = fine
            if pair is not None:
                maps, shortcut = pair.upsample(maps, fine, shared), pair.shortcut(fine, shared)
            maps = block(torch.cat([maps, shortcut], 1))
        return self.head(maps)


class InvertedResidual(nn.Module):
    """Expands the channels, convolves each, and projects; added to the input if that fits.

    Args:
        in_channels: channels of the input.
        channels: channels of the result.
        expansion: hidden channels per channel of the input; 1 leaves the expansion out.
    """

    def __init__(self, in_channels: int, channels: int, expansion: int):
        super().__init__()
        hidden = in_channels * expansion
        self.is_residual = in_channels == channels
        self.expand = conv_norm(in_channels, hidden, 1, nn.ReLU6) if expansion > 1 else None
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
        )
        self.project = conv_norm(hidden, channels, 1, None)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Run the block; the grid stays the same."""
        hidden = pad(maps, (1, 1, 1, 1))
        if self.expand is not None:
            hidden = self.expand(hidden)
        result = self.project(self.depthwise(hidden))
        return maps + result if self.is_residual else result
