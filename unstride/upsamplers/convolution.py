"""Baselines: operators that apply the same learned kernel everywhere.

The baselines of Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188, table 2, with its kernel
sizes: resize and convolve (N.C., B.C.); transposed convolution (Deconv.); sub-pixel
convolution (P.S.; Shi et al., CVPR 2016, arXiv:1609.05158). None of them takes a guide. The
last two resize bilinearly if the size is not `scale` times the grid.
"""

from itertools import product
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle

from unstride.saving.argument_ranges import OddInt, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.resize import cells_covering, resize, resize_antialiased, resize_halo
from unstride.upsamplers.start import KernelStart, interpolation_kernel

HELD = (  # what two transposed convolutions must have in common
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups",
    "dilation",
)  # fmt: skip


class _ResizeConvolution(Upsampler):
    fixed_channels = True
    mode: str
    halo_cells: int  # halo of the resize, in cells

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: OddInt = 3,
        start: Literal["identity", "published"] = "identity",
    ):
        super().__init__(channels, scale)
        self.kernel_size = kernel_size
        self.conv = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        if start != "published":
            nn.init.dirac_(self.conv.weight)
            _zero_bias(self.conv)

    def halo(self, grid, size, guide_size=None):
        """The halo of the resize plus that of the convolution, which runs on the fine grid."""
        return self.halo_cells + cells_covering(self.kernel_size // 2, grid, size)

    def forward(self, features, guide=None, size=None):
        """Resize, then convolve on the fine grid; the guide is not used."""
        del guide
        return self.conv(resize(features, self.output_size(features, size), self.mode))


class NearestConvolution(_ResizeConvolution):
    """Nearest neighbour, then a learned convolution that mixes channels: not convex.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side k of the convolution, in output pixels; odd.
        start: "identity": the convolution begins as one; or "published": random.
    """

    mode, halo_cells, starts = "nearest-exact", 0, ("nearest",)


class BilinearConvolution(_ResizeConvolution):
    """Bilinear, then a learned convolution that mixes channels: not convex.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side k of the convolution, in output pixels; odd.
        start: "identity": the convolution begins as one; or "published": random.
    """

    mode, halo_cells, starts = "bilinear", 1, ("bilinear",)


class Deconvolution(Upsampler):
    """A transposed convolution, which mixes channels: not convex.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side k, in output pixels: at least the scale, and odd at scale 1. Default:
            2 scale - 1, so that neighbours meet; 2 scale if it begins as bilinear at a scale above
            1, because less cannot hold that.
        start: bilinear (darker at the border, where pixels are missing), nearest, or "published",
            which is random.
    """

    fixed_channels, starts = True, ("bilinear", "nearest")

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: PositiveInt | None = None,
        start: KernelStart = "bilinear",
    ):
        super().__init__(channels, scale)
        default = 2 * scale - (start != "bilinear" or scale == 1)
        k = default if kernel_size is None else kernel_size
        if k < scale:
            raise ValueError(f"kernel_size must be at least the scale {scale}, got {k}")
        if scale == 1 and k % 2 == 0:
            raise ValueError(f"kernel_size must be odd at scale 1, got {k}")
        margin = -(-(k - scale) // 2)
        self.conv = nn.ConvTranspose2d(
            channels, channels, k, scale, margin, output_padding=2 * margin + scale - k
        )
        self.halo_cells = max((k - 1 - margin) // scale, (margin - 1) // scale + 1)
        if start != "published":
            kernel = interpolation_kernel(k, margin + scale / 2, scale, start)
            identity = torch.eye(channels)[:, :, None, None]
            self.conv.weight.data.copy_(identity * (kernel[:, None] * kernel))
            _zero_bias(self.conv)

    def halo(self, grid, size, guide_size=None):
        """The halo of the transposed convolution plus that of the resize."""
        return self.halo_cells + _resize_halo_cells(grid, self.scale, size)

    def forward(self, features, guide=None, size=None):
        """Spread each pixel over its output pixels; the guide is not used."""
        del guide
        size = self.output_size(features, size)
        return resize_antialiased(self.conv(features), size)

    def hold(self, layer: nn.ConvTranspose2d) -> None:
        """Compute what a transposed convolution computes.

        Raises:
            ValueError: if it has other channels, groups, dilation, or another kernel or padding.
        """
        own = self.conv
        for name in HELD:
            if getattr(layer, name) != getattr(own, name):
                raise ValueError(
                    f"a deconv that begins as this layer must have {name} {getattr(own, name)}, "
                    f"got {getattr(layer, name)}"
                )
        _copy_layer(own, layer.weight, layer.bias)


class PixelShuffle(Upsampler):
    """A convolution to scale^2 times the channels, rearranged into pixels: not convex.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side k of the convolution, in input pixels; odd.
        start: bilinear, nearest, or "published", which is random and pads the map with zeros where
            the others repeat its border.
    """

    fixed_channels, starts = True, ("bilinear", "nearest")

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: OddInt = 3,
        start: KernelStart = "bilinear",
    ):
        super().__init__(channels, scale)
        self.kernel_size = kernel_size
        self.conv = nn.Conv2d(
            channels, channels * scale**2, kernel_size, padding=kernel_size // 2,
            padding_mode="zeros" if start == "published" else "replicate",
        )  # fmt: skip
        if start != "published":
            # by row: the sub-pixel of the cell; by column: the input pixel of the window
            centres = [scale * (tap - kernel_size // 2) + scale / 2 for tap in range(kernel_size)]
            spread = torch.stack(
                [interpolation_kernel(scale, centre, scale, start) for centre in centres], 1
            )
            phases = spread[:, None, :, None] * spread[None, :, None, :]
            identity = torch.eye(channels)[:, None, None, :, None, None]
            weight = identity * phases[None, :, :, None]
            self.conv.weight.data.copy_(weight.flatten(0, 2))
            _zero_bias(self.conv)

    def halo(self, grid, size, guide_size=None):
        """The halo of the convolution plus that of the resize."""
        return self.kernel_size // 2 + _resize_halo_cells(grid, self.scale, size)

    def forward(self, features, guide=None, size=None):
        """Convolve on the coarse grid, then rearrange; the guide is not used."""
        del guide
        size = self.output_size(features, size)
        return resize_antialiased(pixel_shuffle(self.conv(features), self.scale), size)

    def hold(self, layer: nn.ConvTranspose2d) -> None:
        """Compute what a transposed convolution computes: zeros lie beyond the border then.

        Raises:
            ValueError: if it has other channels or strides, groups or dilation, or reaches further.
        """
        s, reach = self.scale, self.kernel_size // 2
        wanted = {
            "in_channels": self.channels, "out_channels": self.channels, "stride": (s, s),
            "groups": 1, "dilation": (1, 1),
        }  # fmt: skip
        for name, value in wanted.items():
            if getattr(layer, name) != value:
                raise ValueError(
                    f"a pixel_shuffle that begins as this layer must have {name} {value}, "
                    f"got {getattr(layer, name)}"
                )
        weight = layer.weight.new_zeros(self.channels, s, s, *self.conv.weight.shape[1:])
        held = 0
        for row, column, dy, dx in product(range(s), range(s), *[range(-reach, reach + 1)] * 2):
            y, x = row + int(layer.padding[0]) - s * dy, column + int(layer.padding[1]) - s * dx
            if 0 <= y < layer.kernel_size[0] and 0 <= x < layer.kernel_size[1]:
                weight[:, row, column, :, dy + reach, dx + reach] = layer.weight[:, :, y, x].T
                held += 1
        if held < layer.kernel_size[0] * layer.kernel_size[1]:
            raise ValueError(
                f"a pixel_shuffle that begins as this layer must reach as far, got kernel_size "
                f"{self.kernel_size} for one of {layer.kernel_size[0]}"
            )
        self.conv.padding_mode = "zeros"
        bias = None if layer.bias is None else layer.bias.repeat_interleave(s**2)
        _copy_layer(self.conv, weight.flatten(0, 2), bias)


@torch.no_grad()
def _copy_layer(own: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    own.weight.copy_(weight)  # type: ignore[operator]
    own.bias.copy_(torch.zeros_like(own.bias) if bias is None else bias)  # type: ignore


def _zero_bias(layer: nn.Module) -> None:
    assert isinstance(layer.bias, nn.Parameter)
    nn.init.zeros_(layer.bias)


def _resize_halo_cells(grid: tuple[int, int], scale: int, size: tuple[int, int]) -> int:
    fine = grid[0] * scale, grid[1] * scale
    return cells_covering(resize_halo(fine, size), grid, fine)
