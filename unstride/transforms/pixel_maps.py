"""Depth, normals and coordinates as tv_tensors, which torchvision.transforms.v2 moves correctly."""

import math

import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from unstride.transforms.spatial import PixelMap, apply_image_kernel, wrapped_like


class DepthMap(PixelMap):
    """Metres along the optical axis, 0 = unknown. Resizing takes the nearest centre's value."""

    channels = 1
    rotation_interpolation = InterpolationMode.NEAREST


class NormalMap(PixelMap):
    """Unit vectors in the camera's frame (x right, y down, z forward), 0 = unknown.

    A horizontal flip negates their x, a rotation rotates them. Resizing averages them and makes
    the averages unit again; a pixel is known where more than half of what it averages is known.
    """

    channels = 3
    rotation_interpolation = InterpolationMode.NEAREST

    @classmethod
    def flip_values(cls, values, axis):
        """Negates one component."""
        sign = values.new_ones(3, 1, 1)
        sign[axis] = -1
        return values * sign

    @classmethod
    def rotate_values(cls, values, degrees):
        """Rotate about z. As y points down, counter-clockwise takes x to -y."""
        x, y, z = values.unbind(-3)
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return torch.stack([cos * x + sin * y, cos * y - sin * x, z], -3)

    @classmethod
    def resize_values(cls, values, size):
        """Average normals and makes them unit again."""
        is_known = values.square().sum(-3, keepdim=True) > 0
        with_validity = torch.cat([values, is_known.to(values)], -3)
        with_validity = F.resize_image(
            with_validity, list(size), InterpolationMode.BILINEAR, antialias=True
        )
        average, validity = with_validity[..., :3, :, :], with_validity[..., 3:, :, :]
        length = average.norm(dim=-3, keepdim=True)
        is_known = (validity > 0.5) & (length > 1e-3)  # opposite normals cancel
        return torch.where(is_known, average / length.clamp(min=1e-3), 0.0)


class CoordinateMap(PixelMap):
    """(x, y) of each pixel's centre in the image it came from, in its pixels; NaN = nowhere.

    Resizing is exact up to the border, where the ramp is continued instead of repeated.
    """

    channels = 2
    unknown_value = math.nan

    @classmethod
    def identity(cls, height: int, width: int) -> "CoordinateMap":
        """Create the map of an image that was not moved: the centre of pixel i is at i + 1/2."""
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        return cls(torch.stack([x, y]) + 0.5)

    @classmethod
    def of_crop(
        cls, top: int, left: int, height: int, width: int, size: tuple[int, int]
    ) -> "CoordinateMap":
        """Create the map of a crop of an image that was resized, without the map of the image.

        Args:
            top, left, height, width: the crop, in pixels of the image.
            size: rows and columns after resizing.
        """
        y = top + (torch.arange(size[0]) + 0.5) * height / size[0]
        x = left + (torch.arange(size[1]) + 0.5) * width / size[1]
        return cls(torch.stack([x.expand(size), y[:, None].expand(size)]))

    @classmethod
    def resize_values(cls, values, size):
        """Interpolates linearly along each axis, and extrapolates beyond the outermost centres."""
        for dim, n in ((-2, size[0]), (-1, size[1])):
            m = values.shape[dim]
            if m == 1 and n > 1:
                raise ValueError(
                    "CoordinateMap: a map of one row or column cannot be enlarged, "
                    f"got size {tuple(size)}"
                )
            at = (torch.arange(n, device=values.device, dtype=values.dtype) + 0.5) * m / n - 0.5
            first = at.floor().clamp(0, max(m - 2, 0)).long()
            share = (at - first).reshape([-1] + [1] * (-1 - dim))
            lower = values.index_select(dim, first)
            upper = values.index_select(dim, (first + 1).clamp(max=m - 1))
            values = lower + share * (upper - lower)
        return values


@F.register_kernel(F.elastic, CoordinateMap)
def _elastic(maps: CoordinateMap, displacement, interpolation=None, fill=None) -> CoordinateMap:
    """Moves each pixel as the image's: bilinear interpolation of a ramp is exact."""
    del interpolation, fill
    values = apply_image_kernel(maps, F.elastic_image, displacement, InterpolationMode.BILINEAR)
    return wrapped_like(maps, values)
