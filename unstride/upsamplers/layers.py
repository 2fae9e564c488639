"""Layers that several operators share: blocks, convolutions, rotary positions, norms."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops.exporting import standard_operators_only

NORM_GROUPS = 8


class PreActBlock(nn.Module):
    """Norm, SiLU and convolution, twice.

    Args:
        channels: of the input and of the output.
        kernel_size: side of both convolutions.
        bias: whether the convolutions have a bias.
        residual: whether the input is added to the result.
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
        """Run the block; the grid stays the same."""
        return maps + self.block(maps) if self.residual else self.block(maps)


def reflect_padded_conv(
    in_channels: int, out_channels: int, kernel_size: int, *, bias: bool
) -> nn.Conv2d:
    """A convolution that keeps the grid, with reflect padding."""
    if kernel_size == 1:  # without padding: reflecting nothing would copy the map
        return nn.Conv2d(in_channels, out_channels, 1, bias=bias)
    padding = kernel_size // 2
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=padding, padding_mode="reflect", bias=bias
    )


def apply_rope(
    maps: Float[Tensor, "b d h w"], angles: Float[Tensor, "d h w"]
) -> Float[Tensor, "b d h w"]:
    """Rotary position embedding: rotates channel i and channel i + d/2 by angles of the position.

    Where the two angles of a pair agree, this is a rotation, and norms are kept.
    """
    first, second = maps.chunk(2, 1)
    return maps * angles.cos() + torch.cat([-second, first], 1) * angles.sin()


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel: mean 0, variance 1, then affine."""

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise every pixel by itself."""
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class RMSNorm(nn.RMSNorm):
    """RMS norm over the last dimension, in operators that every exporter knows."""

    def forward(self, vectors: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """Normalise every vector by itself."""
        if not standard_operators_only():
            return super().forward(vectors)
        epsilon = torch.finfo(vectors.dtype).eps if self.eps is None else self.eps
        mean_square = vectors.square().mean(-1, keepdim=True)
        return vectors * torch.rsqrt(mean_square + epsilon) * self.weight
