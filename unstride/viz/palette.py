"""A colour for each class: a data set's own, or colours as far from each other as can be."""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.viz.oklab import from_oklab, to_oklab

STEPS = 16  # values of red, of green and of blue among which colours are chosen
LIGHTNESS, CHROMA = (0.40, 0.90), (0.09, 0.20)  # of OKLab: no black, white, grey, neon
FIRST = 0.30, 0.45, 0.85
TURN = 0.4  # radians by which the hues of shades differ at most, to either side
SPAN = 0.16  # lightness by which they do
IRRATIONAL = 0.6180339887, 0.7548776662  # multiples of them spread evenly, however many

CAMVID = {
    "sky": (128, 128, 128), "building": (128, 0, 0), "pole": (192, 192, 128),
    "road": (128, 64, 128), "pavement": (60, 40, 222), "tree": (128, 128, 0),
    "sign": (192, 128, 128), "fence": (64, 64, 128), "car": (64, 0, 128),
    "pedestrian": (64, 64, 0), "bicyclist": (0, 128, 192),
}  # fmt: skip
CITYSCAPES = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70),
    "wall": (102, 102, 156), "fence": (190, 153, 153), "pole": (153, 153, 153),
    "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180),
    "person": (220, 20, 60), "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70),
    "bus": (0, 60, 100), "train": (0, 80, 100), "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}  # fmt: skip


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
