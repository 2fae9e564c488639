"""Panoptic networks by name, as configs say it."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.torchvision_parts import FPN_WIDTH
from unstride.models.panoptic.panoptic_deeplab import PanopticDeepLab
from unstride.models.panoptic.panoptic_fpn import PanopticFPN
from unstride.models.upsampler_options import build_named, unguided_places
from unstride.transforms.panoptic_targets import PanopticClasses

PANOPTIC_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "panoptic_fpn": PanopticFPN,
    "panoptic_deeplab": PanopticDeepLab,
}


def create_panoptic_network(
    name: str,
    pyramid: Pyramid,
    classes: int,
    *,
    things: Sequence[int],
    stuff: Sequence[int],
    upsampler: str | None = None,
    **options: Any,
) -> nn.Module:
    """A panoptic network.

    Args:
        name: panoptic_fpn or panoptic_deeplab.
        pyramid: features of the image.
        classes: how many things and stuff are together.
        things: category ids of the countable classes.
        stuff: category ids of the others.
        upsampler: at every place where it enlarges features, a word such as "carafe"; one that
            needs a guide leaves the mask head its deconvolution. By default each place has the
            network's own.
        options: of the network; a word for a single place, as branch_upsampler="sapa".

    Raises:
        ValueError: if there is no such network, option or upsampler, or `classes` is not their sum.
    """
    if name not in PANOPTIC_NETWORKS:
        raise ValueError(f"model {name!r}: there are {', '.join(PANOPTIC_NETWORKS)}")
    if classes != len(things) + len(stuff):
        raise ValueError(f"classes {classes}: there are {len(things)} things, {len(stuff)} stuff")
    make, known = PANOPTIC_NETWORKS[name], PanopticClasses(tuple(things), tuple(stuff))
    without = unguided_places(upsampler, FPN_WIDTH)
    return build_named(name, make, (pyramid, known), options, upsampler, without)
