"""The partial-convolution U-Net, whose mask shrinks from level to level.

Liu, Reda, Shih, Wang, Tao, Catanzaro, "Image Inpainting for Irregular Holes Using Partial
Convolutions", ECCV 2018, arXiv:1804.07723, section 3.2 and table 2: seven levels at 256 pixels,
eight at 512. The decoder enlarges by nearest neighbour; any operator can stand there, and the mask
goes through it.
"""

from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unstride.models.inpainting.inpainter import Inpainter
from unstride.models.inpainting.masked_block import MaskedBlock
from unstride.models.inpainting.masked_upsample import MaskRule, upsample_masked
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler
from unstride.upsamplers.interpolation import Nearest

KERNEL_SIZES = 7, 5, 5  # of the first levels; 3 after them
MAX_MULTIPLE = 8  # of the width: channels of the coarse levels


class PartialUNet(Inpainter):
    """Encoder and decoder of partial convolutions, joined at every level.

    Args:
        width: channels of the first level; the coarsest have eight times as many.
        levels: how often the grid is halved; sides are padded to multiples of 2^levels.
        mask_rule: how a mask goes through an operator, see `upsample_masked`.
        decoder_upsampler: makes the operators of all levels, called as
            `factory(channels, scale=2)`. Their guide is the encoder's finer level.
    """

    def __init__(
        self,
        width: int = 64,
        *,
        levels: int = 7,
        mask_rule: MaskRule = "known",
        decoder_upsampler: UpsamplerFactory = Nearest,
    ):
        super().__init__()
        self.size_divisor, self.mask_rule = 2**levels, mask_rule
        channels = [3, *(width * min(2**i, MAX_MULTIPLE) for i in range(levels))]
        self.encoder, self.ups, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, (finer, coarser) in enumerate(pairwise(channels)):
            k = KERNEL_SIZES[i] if i < len(KERNEL_SIZES) else 3
            self.encoder.append(MaskedBlock(finer, coarser, k, stride=2, partial=True, norm=i > 0))
            is_first = i == 0
            self.ups.append(build_upsampler(decoder_upsampler, coarser, 2, guide_channels=finer))
            self.decoder.append(
                MaskedBlock(
                    finer + coarser, finer, partial=True, norm=not is_first,
                    activation=None if is_first else leaky_relu,
                )
            )  # fmt: skip

    def stages(
        self,
        masked: Float[Tensor, "b 3 h w"],
        is_hole: Bool[Tensor, "b 1 h w"],
        size: tuple[int, int],
    ) -> tuple[Float[Tensor, "b 3 h w"], ...]:
        """The image, in a single stage."""
        del size
        maps, known = masked, ~is_hole
        skips = []
        for block in self.encoder:
            skips.append((maps, known))
            maps, known = block(maps, known)
        for block, up, (skip, skip_known) in zip(
            self.decoder[::-1], self.ups[::-1], skips[::-1], strict=True
        ):
            size = skip.shape[2], skip.shape[3]
            maps, share = upsample_masked(
                maps,
                known.to(maps),
                up,
                size,
                rule=self.mask_rule,
                fine_features=None if skip is masked else skip,
                image=(masked + 1) / 2,
            )
            both = [
                mask.expand(-1, features.shape[1], -1, -1)
                for mask, features in ((share > 0, maps), (skip_known, skip))
            ]
            maps, known = block(torch.cat([maps, skip], 1), torch.cat(both, 1))
        return (maps,)


def leaky_relu() -> nn.LeakyReLU:
    """The decoder's activation."""
    return nn.LeakyReLU(0.2)
