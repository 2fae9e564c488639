"""The fixed kernels that every framework has, under the common call. No guide, no parameters."""

from torch.nn.functional import interpolate

from unstride.upsamplers.base import Upsampler


class _Interpolation(Upsampler):
    mode: str
    reach: int  # in cells

    def halo(self, grid, size, seen=None):
        """The taps beside a pixel's own."""
        return self.reach

    def forward(self, features, guide=None, size=None):
        """Resize; the guide is not used."""
        del guide
        return interpolate(features, self.output_size(features, size), mode=self.mode)


class Nearest(_Interpolation):
    """Repeat the pixel that holds the output pixel's centre: one weight of one, convex."""

    mode, reach = "nearest-exact", 0


class Bilinear(_Interpolation):
    """Linear in each axis between the four nearest pixels; weights are convex."""

    mode, reach = "bilinear", 1


class Bicubic(_Interpolation):
    """Cubic convolution (a = -0.75); weights sum to one but are not convex: it overshoots."""

    mode, reach = "bicubic", 2
