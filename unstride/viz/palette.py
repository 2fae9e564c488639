"""Chooses class colours: published ones for known data sets, else colours that are far apart."""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.viz.dataset_palettes import CAMVID_COLOURS, CITYSCAPES_COLOURS
from unstride.viz.oklab import from_oklab, to_oklab

VALUES_PER_CHANNEL = 16  # candidate values of red, of green and of blue
LIGHTNESS_RANGE, CHROMA_RANGE = (0.40, 0.90), (0.09, 0.20)  # of OKLab: no black, white, grey, neon
FIRST_COLOUR = 0.30, 0.45, 0.85
HUE_SPREAD = 0.4  # largest hue difference of shades to their colour, in radians, either way
LIGHTNESS_SPREAD = 0.16  # largest lightness difference of shades, either way
QUASIRANDOM_STEPS = 0.6180339887, 0.7548776662  # multiples modulo 1 spread evenly at any count


def class_palette(class_names: Sequence[str]) -> Float[Tensor, "n 3"]:
    """RGB in [0, 1]: colours of CamVid or Cityscapes for their classes, else `distinct_colours`."""
    for published in (CAMVID_COLOURS, CITYSCAPES_COLOURS):
        if set(class_names) == set(published):
            return torch.tensor([published[name] for name in class_names]) / 255
    return distinct_colours(len(class_names))


@cache
def distinct_colours(count: int) -> Float[Tensor, "n 3"]:
    """Colours that are each as far as possible, in OKLab, from all before it.

    The first colours do not depend on `count`. None is black, white or grey, so that they stand
    out from a photograph. Any two of the first 12 are at least 0.16 apart, of 40 0.09, of 133 0.05.
    """
    values = torch.linspace(0, 1, VALUES_PER_CHANNEL)
    candidates = torch.cartesian_prod(values, values, values)
    lab = to_oklab(candidates)
    chroma = lab[:, 1:].norm(dim=1)
    usable = _is_between(lab[:, 0], LIGHTNESS_RANGE) & _is_between(chroma, CHROMA_RANGE)
    candidates, lab = candidates[usable], lab[usable]
    index = (candidates - torch.tensor(FIRST_COLOUR)).norm(dim=1).argmin()
    distance = torch.full((len(candidates),), torch.inf)  # to the nearest colour so far
    indices = []
    for _ in range(count):
        indices.append(int(index))
        distance = torch.minimum(distance, (lab - lab[index]).norm(dim=1))
        index = distance.argmax()
    return candidates[indices]


def shades(colour: Float[Tensor, "3"], count: int) -> Float[Tensor, "n 3"]:
    """Colours close to one colour, which is the first of them; neighbours differ the most.

    Args:
        colour: RGB in [0, 1].
        count: how many.
    """
    steps = torch.arange(count)[:, None] * torch.tensor(QUASIRANDOM_STEPS)
    offsets = (steps + 0.5) % 1 * 2 - 1  # of lightness and hue, in [-1, 1); the first are 0
    lightness, a, b = to_oklab(colour)
    hue, chroma = torch.atan2(b, a) + HUE_SPREAD * offsets[:, 1], torch.hypot(a, b)
    centre = lightness.clamp(LIGHTNESS_SPREAD + 0.25, 0.95 - LIGHTNESS_SPREAD)
    shaded = centre + LIGHTNESS_SPREAD * offsets[:, 0]
    lightnesses = torch.where(offsets[:, 0] == 0, lightness, shaded)
    lab = torch.stack([lightnesses, chroma * hue.cos(), chroma * hue.sin()], 1)
    return from_oklab(lab).clamp(0, 1)


def segment_colours(
    class_indices: Sequence[int], class_names: Sequence[str]
) -> Float[Tensor, "n 3"]:
    """A colour for each segment: a shade of its class's colour."""
    palette, colours = class_palette(class_names), torch.zeros(len(class_indices), 3)
    for class_index in set(class_indices):
        segments = [i for i, other in enumerate(class_indices) if other == class_index]
        colours[segments] = shades(palette[class_index], len(segments))
    return colours


def _is_between(values: Float[Tensor, " n"], limits: tuple[float, float]) -> Bool[Tensor, " n"]:
    return (values > limits[0]) & (values < limits[1])
