"""A colour for each class: a data set's own, or colours as far from each other as can be."""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.viz.dataset_palettes import CAMVID, CITYSCAPES
from unstride.viz.oklab import from_oklab, to_oklab

STEPS = 16  # values of red, of green and of blue among which colours are chosen
LIGHTNESS, CHROMA = (0.40, 0.90), (0.09, 0.20)  # of OKLab: no black, white, grey, neon
FIRST = 0.30, 0.45, 0.85
TURN = 0.4  # radians by which the hues of shades differ at most, to either side
SPAN = 0.16  # lightness by which they do
IRRATIONAL = 0.6180339887, 0.7548776662  # multiples of them spread evenly, however many


def palette(classes: Sequence[str]) -> Float[Tensor, "n 3"]:
    """RGB in [0, 1]: CamVid's or Cityscapes' own if these are their classes, else `distinct`."""
    for known in (CAMVID, CITYSCAPES):
        if set(classes) == set(known):
            return torch.tensor([known[name] for name in classes]) / 255
    return distinct(len(classes))


@cache
def distinct(n: int) -> Float[Tensor, "n 3"]:
    """Colours, each as far in OKLab as can be from all before it; the first are the same for any n.

    Neither black, white nor grey is among them, so that they stand out from a photograph. Any two
    of the first 12 are 0.16 apart or more, of 40 0.09, of 133 0.05.
    """
    side = torch.linspace(0, 1, STEPS)
    offered = torch.cartesian_prod(side, side, side)
    seen = to_oklab(offered)
    chroma = seen[:, 1:].norm(dim=1)
    usable = _within(seen[:, 0], LIGHTNESS) & _within(chroma, CHROMA)
    offered, seen = offered[usable], seen[usable]
    place = (offered - torch.tensor(FIRST)).norm(dim=1).argmin()
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
    away = (torch.arange(n)[:, None] * torch.tensor(IRRATIONAL) + 0.5) % 1 * 2 - 1
    light, a, b = to_oklab(colour)
    hue, chroma = torch.atan2(b, a) + TURN * away[:, 1], torch.hypot(a, b)
    centre = light.clamp(SPAN + 0.25, 0.95 - SPAN)
    lights = torch.where(away[:, 0] == 0, light, centre + SPAN * away[:, 0])
    around = torch.stack([lights, chroma * hue.cos(), chroma * hue.sin()], 1)
    return from_oklab(around).clamp(0, 1)


def _within(values: Float[Tensor, " n"], ends: tuple[float, float]) -> Bool[Tensor, " n"]:
    return (values > ends[0]) & (values < ends[1])


def segment_colours(numbers: Sequence[int], classes: Sequence[str]) -> Float[Tensor, "n 3"]:
    """A colour for each of some segments, whose classes are given by number."""
    base, colours = palette(classes), torch.zeros(len(numbers), 3)
    for number in set(numbers):
        places = [i for i, other in enumerate(numbers) if other == number]
        colours[places] = shades(base[number], len(places))
    return colours
