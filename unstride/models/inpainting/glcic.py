"""GLCIC: one network with dilated convolutions completes the image.

Iizuka, Simo-Serra, Ishikawa, "Globally and Locally Consistent Image Completion", SIGGRAPH 2017,
section 4.1. Two transposed convolutions decode. CARAFE (Wang et al., ICCV 2019, arXiv:1905.02188,
section 4.3) replaces both, and also takes partial convolutions ("Partial Conv"). The paper does not
say where the transposed convolutions' change of channels goes; here a 3 x 3 convolution follows the
operator.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unstride.models.inpainting.inpainter import Inpainter
from unstride.models.inpainting.masked_block import MaskedBlock
from unstride.models.inpainting.masked_upsample import MaskRule, upsample_masked
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler
from unstride.upsamplers.resize import resize_nearest

DILATIONS = 2, 4, 8, 16


class GLCIC(Inpainter):
    """Encodes to stride 4, sees far by dilated convolutions, and decodes.

    Args:
        width: channels of the first layer; the coarsest have four times as many.
        partial: use partial convolutions.
        mask_rule: how a mask goes through an operator, see `upsample_masked`.
        first_upsampler: makes the operator from stride 4 to 2, called as
            `factory(channels, scale=2)`. Its guide is the encoder's finer level. Default: the
            paper's transposed convolution.
        last_upsampler: makes the operator from stride 2 to the image.
    """

    size_divisor = 4

    def __init__(
        self,
        width: int = 64,
        *,
        partial: bool = False,
        mask_rule: MaskRule = "known",
        first_upsampler: UpsamplerFactory | None = None,
        last_upsampler: UpsamplerFactory | None = None,
    ):
        super().__init__()

        def block(in_channels: int, channels: int, kernel_size: int = 3, **options) -> MaskedBlock:
            return MaskedBlock(
                in_channels * width, channels * width, kernel_size, partial=partial, **options
            )

        self.first = MaskedBlock(4, width, 5, partial=partial)
        self.to_half = nn.ModuleList([block(1, 2, stride=2), block(2, 2)])
        self.to_quarter = nn.ModuleList(
            [
                block(2, 4, stride=2), block(4, 4), block(4, 4),
                *(block(4, 4, dilation=d) for d in DILATIONS), block(4, 4), block(4, 4),
            ]
        )  # fmt: skip
        self.up_to_half = UpsamplingStep(
            4 * width, 2 * width, first_upsampler, 2 * width, partial, mask_rule
        )
        self.decode_half = block(2, 2)
        self.up_to_image = UpsamplingStep(
            2 * width, width, last_upsampler, width, partial, mask_rule
        )
        self.decode_image = MaskedBlock(width, width // 2, partial=partial)
        self.image = nn.Conv2d(width // 2, 3, 3, padding=1)

    def stages(
        self,
        masked: Float[Tensor, "b 3 h w"],
        is_hole: Bool[Tensor, "b 1 h w"],
        size: tuple[int, int],
    ) -> tuple[Float[Tensor, "b 3 h w"], ...]:
        """The image, in a single stage."""
        del size
        known = ~is_hole
        fine, known = self.first(torch.cat([masked, is_hole.to(masked)], 1), known)
        half = fine
        for layer in self.to_half:
            half, known = layer(half, known)
        maps = half
        for layer in self.to_quarter:
            maps, known = layer(maps, known)
        image = (masked + 1) / 2
        maps, known = self.up_to_half(maps, known, half, image)
        maps, known = self.decode_half(maps, known)
        maps, known = self.up_to_image(maps, known, fine, image)
        maps, known = self.decode_image(maps, known)
        return (self.image(maps).clamp(-1, 1),)


class UpsamplingStep(nn.Module):
    """Enlarges features twice by an operator and a convolution, or a transposed convolution.

    Args:
        in_channels: channels of the features.
        channels: channels of the result.
        upsampler: makes the operator. None: a transposed convolution.
        guide_channels: channels of the guide.
        partial: whether the convolution is partial.
        mask_rule: how the mask goes through the operator.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        upsampler: UpsamplerFactory | None,
        guide_channels: int,
        partial: bool,
        mask_rule: MaskRule,
    ):
        super().__init__()
        self.mask_rule: MaskRule = mask_rule
        self.deconv: nn.Module | None = None
        if upsampler is None:
            self.deconv = nn.Sequential(
                nn.ConvTranspose2d(in_channels, channels, 4, 2, 1),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            )
        else:
            self.up = build_upsampler(upsampler, in_channels, 2, guide_channels=guide_channels)
            self.conv = MaskedBlock(in_channels, channels, partial=partial)

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        known: Bool[Tensor, "b 1 h w"],
        fine_features: Float[Tensor, "b g H W"],
        image: Float[Tensor, "b 3 y x"],
    ) -> tuple[Float[Tensor, "b d H W"], Bool[Tensor, "b 1 H W"]]:
        """Enlarge to the grid of the finer features, which or the image are the guide."""
        size = fine_features.shape[2], fine_features.shape[3]
        if self.deconv is not None:
            return self.deconv(features * known), resize_nearest(known.to(features), size) > 0
        up, share = upsample_masked(
            features,
            known.to(features),
            self.up,
            size,
            rule=self.mask_rule,
            fine_features=fine_features,
            image=image,
        )
        return self.conv(up, share > 0)
