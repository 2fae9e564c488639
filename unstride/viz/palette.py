"""A colour for each class: a data set's own, or colours as far from each other as can be."""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.viz.dataset_palettes import CAMVID_COLOURS, CITYSCAPES_COLOURS
from unstride.viz.oklab import from_oklab, to_oklab

VALUES_PER_CHANNEL = 16  # values of red, of green and of blue among which colours are chosen
LIGHTNESS_RANGE, CHROMA_RANGE = (0.40, 0.90), (0.09, 0.20)  # of OKLab: no black, white, grey, neon
FIRST_COLOUR = 0.30, 0.45, 0.85
HUE_SPREAD = 0.4  # radians by which the hues of shades differ at most, to either side
LIGHTNESS_SPREAD = 0.16  # lightness by which they do
QUASIRANDOM_STEPS = 0.6180339887, 0.7548776662  # multiples of them spread evenly, however many


def class_palette(classes: Sequence[str]) -> Float[Tensor, "n 3"]:
    """RGB in [0, 1]: colours of CamVid or Cityscapes for their classes, else `distinct_colours`."""
    for known in (CAMVID_COLOURS, CITYSCAPES_COLOURS):
        if set(classes) == set(known):
            return torch.tensor([known[name] for name in classes]) / 255
    return distinct_colours(len(classes))


@cache
def distinct_colours(n: int) -> Float[Tensor, "n 3"]:
    """Colours, each as far in OKLab as can be from all before it; the first are the same for any n.

    Neither black, white nor grey is among them, so that they stand out from a photograph. Any two
    of the first 12 are 0.16 apart or more, of 40 0.09, of 133 0.05.
    """
    side = torch.linspace(0, 1, VALUES_PER_CHANNEL)
    offered = torch.cartesian_prod(side, side, side)
    seen = to_oklab(offered)
    chroma = seen[:, 1:].norm(dim=1)
    usable = _is_between(seen[:, 0], LIGHTNESS_RANGE) & _is_between(chroma, CHROMA_RANGE)
    offered, seen = offered[usable], seen[usable]
    place = (offered - torch.tensor(FIRST_COLOUR)).norm(dim=1).argmin()
    nearest = torch.full((len(offered),), torch.inf)
    chosen = []
    for _ in range(n):
        chosen.append(int(place))
        nearest = torch.minimum(nearest, (seen - seen[place]).norm(dim=1))
        place = nearest.argmax()
    return offered[chosen]


def shades(colour: Float[Tensor, "3"], n: int) -> Float[Tensor, "n 3"]:
    """So many colours close to one, the first of which is it; neighbours differ the most.

    Args:
        colour: RGB in [0, 1].
        n: how many.
    """
    away = (torch.arange(n)[:, None] * torch.tensor(QUASIRANDOM_STEPS) + 0.5) % 1 * 2 - 1
    light, a, b = to_oklab(colour)
    hue, chroma = torch.atan2(b, a) + HUE_SPREAD * away[:, 1], torch.hypot(a, b)
    centre = light.clamp(LIGHTNESS_SPREAD + 0.25, 0.95 - LIGHTNESS_SPREAD)
    lights = torch.where(away[:, 0] == 0, light, centre + LIGHTNESS_SPREAD * away[:, 0])
    around = torch.stack([lights, chroma * hue.cos(), chroma * hue.sin()], 1)
    return from_oklab(around).clamp(0, 1)


def _is_between(values: Float[Tensor, " n"], ends: tuple[float, float]) -> Bool[Tensor, " n"]:
    return (values > ends[0]) & (values < ends[1])


def segment_colours(numbers: Sequence[int], classes: Sequence[str]) -> Float[Tensor, "n 3"]:
    """A colour for each of some segments, whose classes are given by number."""
    base, colours = class_palette(classes), torch.zeros(len(numbers), 3)
    for number in set(numbers):
        places = [i for i, other in enumerate(numbers) if other == number]
        colours[places] = shades(base[number], len(places))
    return colours
