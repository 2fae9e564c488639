"""Base class of per-pixel maps that move with the image in torchvision.transforms.v2.

Wrap the maps of a sample in `DepthMap`, `NormalMap` or `CoordinateMap` and pass the sample to any
composition of transforms: flips, crops, pads, resizes and rotations move everything alike. Colour
transforms leave maps as they are. Transforms without a rule (affine, perspective, five and ten
crops, and elastic ones except for coordinates) raise an error. For lists of points, torchvision has
its own `KeyPoints`.

Where a transform shows something beyond the image's border, maps are unknown.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F
from torchvision.tv_tensors import TVTensor, wrap

UNSUPPORTED_TRANSFORMS = ("affine", "perspective", "elastic", "five_crop", "ten_crop")


class PixelMap(TVTensor):
    """A value for every pixel. A subclass defines how values change when the camera moves.

    Args:
        data: floats, "... c h w", or "... h w" if there is one channel.

    Raises:
        ValueError: if the data has another number of channels, or is not floating point.
    """

    channels: ClassVar[int]
    unknown_value: ClassVar[float] = 0.0
    rotation_interpolation: ClassVar[InterpolationMode] = InterpolationMode.BILINEAR

    def __new__(cls, data: Any, *, dtype=None, device=None, requires_grad=None):
        """Create a view of the data."""
        tensor = cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
        is_flat = cls.channels == 1 and tensor.ndim == 2
        has_channels = is_flat or tensor.shape[-3:-2] == (cls.channels,)
        if not tensor.is_floating_point() or not has_channels:
            raise ValueError(
                f"{cls.__name__}: data must be {cls.channels} x height x width floats, "
                f"got {tuple(tensor.shape)} of {tensor.dtype}"
            )
        return tensor.as_subclass(cls)

    @classmethod
    def flip_values(
        cls, values: Float[Tensor, "... c h w"], axis: int
    ) -> Float[Tensor, "... c h w"]:
        """Changes values, already moved, to those of a world mirrored along x (0) or y (1)."""
        del axis
        return values

    @classmethod
    def rotate_values(
        cls, values: Float[Tensor, "... c h w"], degrees: float
    ) -> Float[Tensor, "... c h w"]:
        """Changes values, already moved, to those of a camera rotated about its axis.

        Args:
            values: values of the map.
            degrees: rotation of the image, counter-clockwise as seen by the viewer.
        """
        del degrees
        return values

    @classmethod
    def resize_values(
        cls, values: Float[Tensor, "... c h w"], size: tuple[int, int]
    ) -> Float[Tensor, "... c H W"]:
        """Resamples values to a grid of this size that covers the same area."""
        return F.resize_image(values, list(size), InterpolationMode.NEAREST_EXACT)


@F.register_kernel(F.horizontal_flip, PixelMap)
def _horizontal_flip(maps: PixelMap) -> PixelMap:
    return wrapped_like(maps, type(maps).flip_values(_plain_values(maps).flip(-1), 0))


@F.register_kernel(F.vertical_flip, PixelMap)
def _vertical_flip(maps: PixelMap) -> PixelMap:
    return wrapped_like(maps, type(maps).flip_values(_plain_values(maps).flip(-2), 1))


@F.register_kernel(F.crop, PixelMap)
def _crop(maps: PixelMap, top: int, left: int, height: int, width: int) -> PixelMap:
    return wrapped_like(maps, apply_image_kernel(maps, F.crop_image, top, left, height, width))


@F.register_kernel(F.center_crop, PixelMap)
def _center_crop(maps: PixelMap, output_size: int | Sequence[int]) -> PixelMap:
    return wrapped_like(maps, apply_image_kernel(maps, F.center_crop_image, output_size))


@F.register_kernel(F.pad, PixelMap)
def _pad(
    maps: PixelMap, padding: int | Sequence[int], fill=None, padding_mode="constant"
) -> PixelMap:
    del fill, padding_mode
    return wrapped_like(maps, apply_image_kernel(maps, F.pad_image, padding))


@F.register_kernel(F.resize, PixelMap)
def _resize(
    maps: PixelMap,
    size: int | Sequence[int] | None,
    interpolation=None,
    max_size=None,
    antialias=True,
) -> PixelMap:
    del interpolation, antialias  # these are for images
    values = _plain_values(maps)
    probe = values.flatten(0, -3)[:1].detach()  # resized only to apply torchvision's rules of sizes
    h, w = F.resize_image(probe, size, InterpolationMode.NEAREST, max_size=max_size).shape[-2:]
    is_same_size = (h, w) == tuple(values.shape[-2:])
    return wrapped_like(maps, values if is_same_size else type(maps).resize_values(values, (h, w)))


@F.register_kernel(F.resized_crop, PixelMap)
def _resized_crop(
    maps: PixelMap,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    **image_options,
) -> PixelMap:
    del image_options
    return _resize(_crop(maps, top, left, height, width), size)


@F.register_kernel(F.rotate, PixelMap)
def _rotate(
    maps: PixelMap, angle: int | float, interpolation=None, expand=False, center=None, fill=None
) -> PixelMap:
    del interpolation, fill
    mode = type(maps).rotation_interpolation
    values = apply_image_kernel(maps, F.rotate_image, angle, mode, expand=expand, center=center)
    return wrapped_like(maps, type(maps).rotate_values(values, float(angle)))


def _register_unsupported(name: str):
    @F.register_kernel(name, PixelMap)
    def refuse(maps: PixelMap, *args, **options):
        raise ValueError(
            f"{type(maps).__name__} does not support {name}: only flips, crops, pads, resizes "
            f"and rotations"
        )

    return refuse


for _name in UNSUPPORTED_TRANSFORMS:
    _register_unsupported(_name)


def apply_image_kernel(maps: PixelMap, kernel, *args, **options) -> Float[Tensor, "... c h w"]:
    """Move values with torchvision's kernel for images; unknown where it has no source pixel."""
    values = _plain_values(maps)
    with_validity = torch.cat([values, torch.ones_like(values[..., :1, :, :])], -3)
    with_validity = kernel(with_validity, *args, **options)
    values, validity = with_validity[..., :-1, :, :], with_validity[..., -1:, :, :]
    return torch.where(validity > 1 - 1e-3, values, type(maps).unknown_value)


def _plain_values(maps: PixelMap) -> Float[Tensor, "... c h w"]:
    values = maps.as_subclass(Tensor)
    return values[None] if values.ndim == 2 else values


def wrapped_like(maps: PixelMap, values: Float[Tensor, "... c h w"]) -> Any:
    """The values as a map of the same type and number of dimensions."""
    return wrap(values[0] if maps.ndim == 2 else values, like=maps)
