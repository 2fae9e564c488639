"""Depth, normals and coordinates that move with the photograph in torchvision.transforms.v2.

Wrap the maps of a sample, give the sample to any composition of transforms, and flips, crops,
pads, resizes and rotations move all of them alike. Transforms of colour leave them as they are.
What a rule is missing for (shear, perspective, elastic, five and ten crops) is refused. Lists of
points have torchvision's own `KeyPoints`.

Whatever a transform makes the photograph show beyond its border, maps are unknown there.
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
    """What is known of every pixel; a subclass says how it changes when the camera does.

    Args:
        data: floats, "... c h w", or "... h w" where there is one channel.

    Raises:
        ValueError: if it has other channels, or no floats.
    """

    channels: ClassVar[int]
    unknown: ClassVar[float] = 0.0
    interpolation: ClassVar[InterpolationMode] = InterpolationMode.BILINEAR  # under a rotation

    def __new__(cls, data: Any, *, dtype=None, device=None, requires_grad=None):
        """A view of the data."""
        tensor = cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
        flat = cls.channels == 1 and tensor.ndim == 2
        if not tensor.is_floating_point() or not (flat or tensor.shape[-3:-2] == (cls.channels,)):
            given = f"{tuple(tensor.shape)} of {tensor.dtype}"
            raise ValueError(f"{cls.__name__}: {cls.channels} x height x width floats, got {given}")
        return tensor.as_subclass(cls)

    @classmethod
    def mirrored(cls, values: Float[Tensor, "... c h w"], axis: int) -> Float[Tensor, "... c h w"]:
        """The values, moved already, as a world mirrored along x (0) or y (1) has them."""
        del axis
        return values

    @classmethod
    def turned(
        cls, values: Float[Tensor, "... c h w"], degrees: float
    ) -> Float[Tensor, "... c h w"]:
        """The values, moved already, as a camera turned about its axis has them.

        Args:
            values: of the map.
            degrees: by which the picture turns, counter-clockwise as one sees it.
        """
        del degrees
        return values

    @classmethod
    def resampled(
        cls, values: Float[Tensor, "... c h w"], size: tuple[int, int]
    ) -> Float[Tensor, "... c H W"]:
        """The values at other pixels of the same area."""
        return F.resize_image(values, list(size), InterpolationMode.NEAREST_EXACT)


@F.register_kernel(F.horizontal_flip, PixelMap)
def _horizontal_flip(maps: PixelMap) -> PixelMap:
    return _wrapped_like(maps, type(maps).mirrored(_plain_values(maps).flip(-1), 0))


@F.register_kernel(F.vertical_flip, PixelMap)
def _vertical_flip(maps: PixelMap) -> PixelMap:
    return _wrapped_like(maps, type(maps).mirrored(_plain_values(maps).flip(-2), 1))


@F.register_kernel(F.crop, PixelMap)
def _crop(maps: PixelMap, top: int, left: int, height: int, width: int) -> PixelMap:
    return _wrapped_like(maps, _apply_image_kernel(maps, F.crop_image, top, left, height, width))


@F.register_kernel(F.center_crop, PixelMap)
def _center_crop(maps: PixelMap, output_size: int | Sequence[int]) -> PixelMap:
    return _wrapped_like(maps, _apply_image_kernel(maps, F.center_crop_image, output_size))


@F.register_kernel(F.pad, PixelMap)
def _pad(
    maps: PixelMap, padding: int | Sequence[int], fill=None, padding_mode="constant"
) -> PixelMap:
    del fill, padding_mode
    return _wrapped_like(maps, _apply_image_kernel(maps, F.pad_image, padding))


@F.register_kernel(F.resize, PixelMap)
def _resize(
    maps: PixelMap,
    size: int | Sequence[int] | None,
    interpolation=None,
    max_size=None,
    antialias=True,
) -> PixelMap:
    del interpolation, antialias  # of the photograph
    values = _plain_values(maps)
    pixels = values.flatten(0, -3)[:1].detach()  # torchvision knows its rules for sizes
    h, w = F.resize_image(pixels, size, InterpolationMode.NEAREST, max_size=max_size).shape[-2:]
    same = (h, w) == tuple(values.shape[-2:])
    return _wrapped_like(maps, values if same else type(maps).resampled(values, (h, w)))


@F.register_kernel(F.resized_crop, PixelMap)
def _resized_crop(
    maps: PixelMap,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    **of_photograph,
) -> PixelMap:
    del of_photograph
    return _resize(_crop(maps, top, left, height, width), size)


@F.register_kernel(F.rotate, PixelMap)
def _rotate(
    maps: PixelMap, angle: int | float, interpolation=None, expand=False, center=None, fill=None
) -> PixelMap:
    del interpolation, fill
    mode = type(maps).interpolation
    values = _apply_image_kernel(maps, F.rotate_image, angle, mode, expand=expand, center=center)
    return _wrapped_like(maps, type(maps).turned(values, float(angle)))


def _register_unsupported(name: str):
    @F.register_kernel(name, PixelMap)
    def refuse(maps: PixelMap, *args, **options):
        raise ValueError(
            f"{type(maps).__name__} cannot follow {name}: there are flips, crops, pads, resizes "
            f"and rotations"
        )

    return refuse


for _name in UNSUPPORTED_TRANSFORMS:
    _register_unsupported(_name)


def _apply_image_kernel(maps: PixelMap, kernel, *args, **options) -> Float[Tensor, "... c h w"]:
    """The values where torchvision's kernel for images puts them, unknown where it has none."""
    values = _plain_values(maps)
    both = torch.cat([values, torch.ones_like(values[..., :1, :, :])], -3)
    both = kernel(both, *args, **options)
    inside = both[..., -1:, :, :] > 1 - 1e-3
    return torch.where(inside, both[..., :-1, :, :], type(maps).unknown)


def _plain_values(maps: PixelMap) -> Float[Tensor, "... c h w"]:
    values = maps.as_subclass(Tensor)
    return values[None] if values.ndim == 2 else values


def _wrapped_like(maps: PixelMap, values: Float[Tensor, "... c h w"]) -> PixelMap:
    return wrap(values[0] if maps.ndim == 2 else values, like=maps)
