"""What NAF and AnyUp are both made of: an encoder, rotary positions, attention within bounds."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

NORM_GROUPS = 8


class PreActBlock(nn.Module):
    """Norm, SiLU and convolution, twice; with `residual`, its input is added.

    Args:
        channels: in and out.
        kernel_size: side of both convolutions.
        bias: of the convolutions.
        residual: if the result is a correction of the input.
    """

    def __init__(self, channels: int, kernel_size: int, *, bias: bool, residual: bool):
        super().__init__()
        self.residual = residual
        self.block = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, channels), nn.SiLU(),
            reflect_padded_conv(channels, channels, kernel_size, bias=bias),
            nn.GroupNorm(NORM_GROUPS, channels), nn.SiLU(),
            reflect_padded_conv(channels, channels, kernel_size, bias=bias),
        )  # fmt: skip

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Another map on the same grid."""
        return maps + self.block(maps) if self.residual else self.block(maps)


def reflect_padded_conv(inputs: int, outputs: int, kernel_size: int, *, bias: bool) -> nn.Conv2d:
    """A convolution that keeps the grid; beyond the border it sees the mirrored map."""
    if kernel_size == 1:
        return nn.Conv2d(inputs, outputs, 1, bias=bias)  # reflecting nothing would copy the map
    margin = kernel_size // 2
    return nn.Conv2d(
        inputs, outputs, kernel_size, padding=margin, padding_mode="reflect", bias=bias
    )


def apply_rope(
    maps: Float[Tensor, "b d h w"], angles: Float[Tensor, "d h w"]
) -> Float[Tensor, "b d h w"]:
    """Rotary positions: channel i and its partner i + d/2 turn by angles that the place sets.

    Where the two angles of a pair agree, it is a rotation and norms are kept.
    """
    first, second = maps.chunk(2, 1)
    return maps * angles.cos() + torch.cat([-second, first], 1) * angles.sin()


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel: mean 0, variance 1, then affine."""

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Every pixel alone."""
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)
