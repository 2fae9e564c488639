"""What training does to a photograph and to everything that is known of its pixels, alike."""

from collections.abc import Mapping
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from unstride.formats.labels import UNLABELLED

PADDING_GREY = 0.45  # about the mean of photographs; what lies beyond an edge


def scale_crop_augmentation(
    crop: tuple[int, int],
    *,
    scales: tuple[float, float] = (0.5, 2.0),
    base: tuple[int, int] | None = None,
    flip: bool = True,
    colour: float = 0.0,
    beyond: Mapping[type, float] | None = None,
) -> v2.Transform:
    """Resized by a random factor, cropped at random, mirrored half of the time, recoloured.

    Photographs and labels must be tv_tensors, or types of `data.spatial`.

    Args:
        crop: rows and columns of the result, in pixels.
        scales: least and greatest factor.
        base: sides of a frame into which a photograph just fits at factor 1, be it upright or
            across; by default those of the crop.
        flip: mirror half of them, left and right.
        colour: strength of the change of colours, see `colour_jitter`.
        beyond: what stands beyond the photograph's edges where it is smaller than the crop, by
            type; by default grey, UNLABELLED in masks and, in all else, what is unknown there.
    """
    fill = {tv_tensors.Image: PADDING_GREY, tv_tensors.Mask: float(UNLABELLED)} | dict(beyond or {})
    steps: list[v2.Transform] = [
        RandomScale(base or crop, scales),
        RandomPad(crop, fill),
        v2.RandomCrop(crop),
    ]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    return v2.Compose([*steps, colour_jitter(colour)])


def colour_jitter(strength: float, *, hue: float | None = None, share: float = 1.0) -> v2.Transform:
    """Colours changed at random.

    Args:
        strength: how much brightness, contrast and saturation change, 0 to 1.
        hue: how far the hue turns at most, as a share of the full circle, 0 to 0.5; by default a
            tenth of the strength.
        share: of photographs that are changed, 0 to 1.
    """
    jitter = v2.ColorJitter(strength, strength, strength, strength / 10 if hue is None else hue)
    return jitter if share == 1 else v2.RandomApply([jitter], share)


class RandomScale(v2.Transform):
    """Resized by a random factor; torchvision's ScaleJitter takes rows for columns (0.29).

    Args:
        base: sides of a frame in which a photograph just fits at factor 1, upright or across.
        scales: least and greatest factor.
    """

    def __init__(self, base: tuple[int, int], scales: tuple[float, float]):
        super().__init__()
        self.base, self.scales = base, scales

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        size = v2.query_size(flat_inputs)
        sides = zip(sorted(self.base), sorted(size), strict=True)
        fitting = min(wanted / n for wanted, n in sides)
        factor = fitting * float(torch.empty(()).uniform_(*self.scales))
        return {"size": [max(round(n * factor), 1) for n in size]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Resize one of the inputs: photographs bilinearly, masks to the nearest."""
        return v2.functional.resize(inpt, **params, antialias=True)


class RandomPad(v2.Transform):
    """At least as large as a size, with what is missing spread at random over both sides.

    Args:
        size: rows and columns.
        beyond: what stands in what is added, by type; 0 in others.
    """

    def __init__(self, size: tuple[int, int], beyond: Mapping[type, float]):
        super().__init__()
        self.size, self.beyond = size, dict(beyond)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """How many pixels to add at the left, top, right and bottom."""
        missing = [
            max(wanted - n, 0)
            for wanted, n in zip(self.size, v2.query_size(flat_inputs), strict=True)
        ]
        top, left = (int(torch.randint(0, n + 1, ())) for n in missing)
        return {"padding": [left, top, missing[1] - left, missing[0] - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Pad one of the inputs."""
        fill = next((v for kind, v in self.beyond.items() if isinstance(inpt, kind)), 0.0)
        return v2.functional.pad(inpt, **params, fill=fill)


class DetectionAugmentation:
    """A photograph and its target, enlarged or shrunk at random on a canvas of one size.

    What lies beyond the photograph's edges is grey, and 0 in masks: no object, no segment.

    Args:
        scales: least and greatest factor.
        canvas: rows and columns, in pixels; by default those of each photograph.
        flip: mirror half of them, left and right.
        colour: strength of the change of colours, see `scale_crop_augmentation`.
    """

    def __init__(
        self,
        scales: tuple[float, float] = (1.0, 1.0),
        canvas: tuple[int, int] | None = None,
        *,
        flip: bool = True,
        colour: float = 0.0,
    ):
        self.scales, self.canvas, self.flip, self.colour = scales, canvas, flip, colour

    def __call__(self, image: tv_tensors.Image, target: dict[str, Any]) -> Any:
        """Both, alike."""
        crop = self.canvas or (image.shape[1], image.shape[2])
        transform = scale_crop_augmentation(
            crop, scales=self.scales, flip=self.flip, colour=self.colour,
            beyond={tv_tensors.Mask: 0.0},
        )  # fmt: skip
        return transform(image, target)
