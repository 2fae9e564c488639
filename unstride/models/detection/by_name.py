"""Detectors and panoptic networks by name, with operators by their words: what configs say."""

from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.detector import DETECTORS, FPN_WIDTH, create_detector
from unstride.models.upsampler_options import MASK_UPSAMPLER, build_named, unguided_places


def create_detector_by_name(
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
    if name not in DETECTORS:
        raise ValueError(f"model {name!r}: there are {', '.join(DETECTORS)}")
    without = unguided_places(upsampler, FPN_WIDTH) if name == "mask_rcnn" else (MASK_UPSAMPLER,)
    parts = name, pyramid, classes
    return build_named(name, create_detector, parts, options, upsampler, without)
