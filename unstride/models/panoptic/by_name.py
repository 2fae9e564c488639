"""Creates panoptic networks by name, for configs and the command line."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.torchvision_parts import FPN_WIDTH
from unstride.models.panoptic.panoptic_deeplab import PanopticDeepLab
from unstride.models.panoptic.panoptic_fpn import PanopticFPN
from unstride.models.upsampler_options import build_network, unguided_places
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
    """Create a panoptic network.

    Args:
        name: panoptic_fpn or panoptic_deeplab.
        pyramid: features of the image.
        classes: number of things and stuff together.
        things: category ids of the countable classes.
        stuff: category ids of the other classes.
        upsampler: name, with options, for every place that upsamples features, such as "carafe".
            The mask head keeps its deconvolution if the upsampler needs a guide. Default: the
            network's own in each place.
        options: options of the network. One for a single place holds a name, such as
            branch_upsampler="sapa".

    Raises:
        ValueError: if there is no such network, option or upsampler, or `classes` is not the number
            of things and stuff.
    """
    if name not in PANOPTIC_NETWORKS:
        raise ValueError(f"model must be one of {', '.join(PANOPTIC_NETWORKS)}, got {name!r}")
    if classes != len(things) + len(stuff):
        raise ValueError(
            f"classes must be {len(things)} things + {len(stuff)} stuff, got {classes}"
        )
    arguments = pyramid, PanopticClasses(tuple(things), tuple(stuff))
    exclude = unguided_places(upsampler, FPN_WIDTH)
    return build_network(name, PANOPTIC_NETWORKS[name], arguments, options, upsampler, exclude)
