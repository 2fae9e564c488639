"""Random augmentations that change an image and all its per-pixel labels alike."""

from collections.abc import Mapping
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from unstride.formats.labels import UNLABELLED

PADDING_GREY = 0.45  # fill beyond the edges of an image; about the mean of photographs


def scale_crop_augmentation(
    crop_size: tuple[int, int],
    *,
    scales: tuple[float, float] = (0.5, 2.0),
    base_size: tuple[int, int] | None = None,
    flip: bool = True,
    colour: float = 0.0,
    fill: Mapping[type, float] | None = None,
) -> v2.Transform:
    """Random resize, random crop, horizontal flip half of the time, colour jitter.

    Images and labels must be tv_tensors, or types of `transforms.pixel_maps`.

    Args:
        crop_size: rows and columns of the result, in pixels.
        scales: smallest and largest scale factor. Default: (0.5, 2.0).
        base_size: sides of a frame into which an image just fits at factor 1, in portrait or
            landscape. Default: `crop_size`.
        flip: flip half of the images horizontally. Default: True.
        colour: strength of the colour jitter, see `colour_jitter`. Default: 0.
        fill: value beyond the edges of an image that is smaller than the crop, by type. Default:
            grey in images, UNLABELLED in masks, and the unknown value of everything else.
    """
    fill = {tv_tensors.Image: PADDING_GREY, tv_tensors.Mask: float(UNLABELLED)} | dict(fill or {})
    steps: list[v2.Transform] = [
        RandomScale(base_size or crop_size, scales),
        RandomPad(crop_size, fill),
        v2.RandomCrop(crop_size),
    ]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    return v2.Compose([*steps, colour_jitter(colour)])


def colour_jitter(
    strength: float, *, hue: float | None = None, probability: float = 1.0
) -> v2.Transform:
    """Random change of brightness, contrast, saturation and hue.

    Args:
        strength: strength of brightness, contrast and saturation, 0 to 1.
        hue: largest change of the hue, as a share of the full circle, 0 to 0.5. Default: a tenth
            of the strength.
        probability: share of images that are changed, 0 to 1. Default: 1.
    """
    jitter = v2.ColorJitter(strength, strength, strength, strength / 10 if hue is None else hue)
    return jitter if probability == 1 else v2.RandomApply([jitter], probability)


class RandomScale(v2.Transform):
    """Resizes by a random factor. torchvision's ScaleJitter (0.29) swaps rows and columns.

    Args:
        base_size: sides of a frame into which an image just fits at factor 1, in portrait or
            landscape.
        scales: smallest and largest scale factor.
    """

    def __init__(self, base_size: tuple[int, int], scales: tuple[float, float]):
        super().__init__()
        self.base_size, self.scales = base_size, scales

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the new size."""
        size = v2.query_size(flat_inputs)
        sides = zip(sorted(self.base_size), sorted(size), strict=True)
        fitting = min(target / n for target, n in sides)
        factor = fitting * float(torch.empty(()).uniform_(*self.scales))
        return {"size": [max(round(n * factor), 1) for n in size]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Resize one input: images bilinearly, masks to the nearest."""
        return v2.functional.resize(inpt, **params, antialias=True)


class RandomPad(v2.Transform):
    """Pads to at least a size, splitting the padding at random between both sides.

    Args:
        size: rows and columns.
        fill: value of the padding, by type; 0 in other types.
    """

    def __init__(self, size: tuple[int, int], fill: Mapping[type, float]):
        super().__init__()
        self.size, self.fill = size, dict(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the numbers of pixels to add at the left, top, right and bottom."""
        missing = [
            max(target - n, 0)
            for target, n in zip(self.size, v2.query_size(flat_inputs), strict=True)
        ]
        top, left = (int(torch.randint(0, n + 1, ())) for n in missing)
        return {"padding": [left, top, missing[1] - left, missing[0] - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Pad one input."""
        fill = next((value for kind, value in self.fill.items() if isinstance(inpt, kind)), 0.0)
        return v2.functional.pad(inpt, **params, fill=fill)


class DetectionAugmentation:
    """Scale jitter for an image and its detection target, on a canvas of a fixed size.

    Beyond the image's edges the canvas is grey, and 0 in masks: no object, no segment.

    Args:
        scales: smallest and largest scale factor. Default: (1, 1).
        canvas_size: rows and columns, in pixels. Default: the size of each image.
        flip: flip half of the images horizontally. Default: True.
        colour: strength of the colour jitter, see `colour_jitter`. Default: 0.
    """

    def __init__(
        self,
        scales: tuple[float, float] = (1.0, 1.0),
        canvas_size: tuple[int, int] | None = None,
        *,
        flip: bool = True,
        colour: float = 0.0,
    ):
        self.scales, self.canvas_size, self.flip, self.colour = scales, canvas_size, flip, colour

    def __call__(self, image: tv_tensors.Image, target: dict[str, Any]) -> Any:
        """Transforms image and target alike."""
        crop_size = self.canvas_size or (image.shape[1], image.shape[2])
        transform = scale_crop_augmentation(
            crop_size, scales=self.scales, flip=self.flip, colour=self.colour,
            fill={tv_tensors.Mask: 0.0},
        )  # fmt: skip
        return transform(image, target)
