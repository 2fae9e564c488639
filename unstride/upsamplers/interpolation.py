"""Nearest, bilinear and bicubic interpolation as upsamplers, without guide or parameters."""

from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.resize import resize


class _Interpolation(Upsampler):
    mode: str
    halo_cells: int

    def halo(self, grid, size, guide_size=None):
        """The taps to either side of a pixel's own cell."""
        return self.halo_cells

    def forward(self, features, guide=None, size=None):
        """Resize; the guide is not used."""
        del guide
        return resize(features, self.output_size(features, size), self.mode)


class Nearest(_Interpolation):
    """Repeat the pixel that holds the output pixel's centre: a single tap of weight 1, convex."""

    mode, halo_cells = "nearest-exact", 0


class Bilinear(_Interpolation):
    """Linear in each axis between the four nearest pixels; weights are convex."""

    mode, halo_cells = "bilinear", 1


class Bicubic(_Interpolation):
    """Cubic convolution (a = -0.75); weights sum to one but are not convex: it overshoots."""

    mode, halo_cells = "bicubic", 2
