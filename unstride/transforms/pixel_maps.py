"""TODO."""

import math

import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from unstride.transforms.spatial import PixelMap


class DepthMap(PixelMap):
    """Metres along the optical axis, 0 = unknown; resized to the value at the nearest centre."""

    channels = 1
    interpolation = InterpolationMode.NEAREST


class NormalMap(PixelMap):
    """Unit vectors in the camera's frame (x right, y down, z forward), 0 = unknown.

    A flip negates their x, a rotation turns them. Resized ones are averages made unit again, and
    known where more than half of what they average is.
    """

    channels = 3
    interpolation = InterpolationMode.NEAREST

    @classmethod
    def mirrored(cls, values, axis):
        """One component negated."""
        sign = values.new_ones(3, 1, 1)
        sign[axis] = -1
        return values * sign

    @classmethod
    def turned(cls, values, degrees):
        """Turned about z; y points down, so counter-clockwise takes x to -y."""
        x, y, z = values.unbind(-3)
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return torch.stack([cos * x + sin * y, cos * y - sin * x, z], -3)

    @classmethod
    def resampled(cls, values, size):
        """Averages, made unit again."""
        known = values.square().sum(-3, keepdim=True) > 0
        both = torch.cat([values, known.to(values)], -3)
        both = F.resize_image(both, list(size), InterpolationMode.BILINEAR, antialias=True)
        average = both[..., :3, :, :]
        length = average.norm(dim=-3, keepdim=True)
        is_known = (both[..., 3:, :, :] > 0.5) & (length > 1e-3)  # opposite ones cancel
        return torch.where(is_known, average / length.clamp(min=1e-3), 0.0)


class CoordinateMap(PixelMap):
    """(x, y) of each pixel's centre in the image it came from, in its pixels; NaN = nowhere.

    Resizing is exact up to the border: the ramp is continued there, not repeated.
    """

    channels = 2
    unknown = math.nan

    @classmethod
    def of(cls, height: int, width: int) -> "CoordinateMap":
        """Those of an image that has not been moved: pixel i has its centre at i + 1/2."""
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        return cls(torch.stack([x, y]) + 0.5)

    @classmethod
    def resampled(cls, values, size):
        """Linear along each axis, beyond the outermost centres too."""
        for dim, n in ((-2, size[0]), (-1, size[1])):
            m = values.shape[dim]
            if m == 1 and n > 1:
                raise ValueError("Coordinates: one row or column has no step to enlarge it by")
            at = (torch.arange(n, device=values.device, dtype=values.dtype) + 0.5) * m / n - 0.5
            first = at.floor().clamp(0, max(m - 2, 0)).long()
            share = (at - first).reshape([-1] + [1] * (-1 - dim))
            before = values.index_select(dim, first)
            after = values.index_select(dim, (first + 1).clamp(max=m - 1))
            values = before + share * (after - before)
        return values
