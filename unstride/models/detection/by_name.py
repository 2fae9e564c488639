"""Detectors and panoptic networks by name, with operators by their words: what configs say."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from unstride.transforms.panoptic_targets import Classes
from unstride.models.detection.detector import KINDS, WIDTH, create_detector
from unstride.models.panoptic.panoptic_deeplab import PanopticDeepLab
from unstride.models.panoptic.panoptic_fpn import PanopticFPN
from unstride.models.segmentation.by_name import factory, placed
from unstride.backbones.pyramid import Pyramid

PANOPTIC: dict[str, Callable[..., nn.Module]] = {
    "panoptic_fpn": PanopticFPN,
    "panoptic_deeplab": PanopticDeepLab,
}
MASK_HEAD = "mask_upsampler"  # there is no guide


def create_object_detector(
    name: str, pyramid: Pyramid, classes: int, *, upsampler: str | None = None, **options: Any
) -> nn.Module:
    """A detector, see `create_detector`.

    Args:
        name: faster_rcnn, mask_rcnn, fcos or retinanet.
        pyramid: features of the image.
        classes: of objects, without the background.
        upsampler: in the FPN and in the mask head, a word such as "carafe"; one that needs a guide
            leaves the mask head its deconvolution. By default each place has the network's own.
        options: of `create_detector`; a word for the mask head alone, as mask_upsampler="carafe".

    Raises:
        ValueError: if there is no such detector, option or upsampler.
    """
    if name not in KINDS:
        raise ValueError(f"model {name!r}: there are {', '.join(KINDS)}")
    try:
        without = _unguided(upsampler) if name == "mask_rcnn" else (MASK_HEAD,)
        chosen = placed(create_detector, options, upsampler, without)
        return create_detector(name, pyramid, classes, **chosen)
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None


def create_panoptic(
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
    if name not in PANOPTIC:
        raise ValueError(f"model {name!r}: there are {', '.join(PANOPTIC)}")
    if classes != len(things) + len(stuff):
        raise ValueError(f"classes {classes}: there are {len(things)} things, {len(stuff)} stuff")
    make, known = PANOPTIC[name], Classes(tuple(things), tuple(stuff))
    try:
        return make(pyramid, known, **placed(make, options, upsampler, _unguided(upsampler)))
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None


def _unguided(upsampler: str | None) -> tuple[str, ...]:
    """The places to which this upsampler cannot go."""
    needs_guide = upsampler is not None and factory(upsampler)(WIDTH, scale=2).guide_channels
    return (MASK_HEAD,) if needs_guide else ()
