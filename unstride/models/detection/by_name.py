"""Creates detectors from names of networks and upsamplers, for configs and the command line."""

from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.detector import DETECTORS, FPN_WIDTH, create_detector
from unstride.models.upsampler_options import MASK_UPSAMPLER, build_network, unguided_places


def create_detector_by_name(
    name: str, pyramid: Pyramid, classes: int, *, upsampler: str | None = None, **options: Any
) -> nn.Module:
    """Create a detector with upsamplers given by name. `create_detector` takes factories instead.

    Args:
        name: faster_rcnn, mask_rcnn, fcos or retinanet.
        pyramid: features of the image.
        classes: number of object classes, without the background.
        upsampler: name, with options, for the FPN and the mask head, such as "carafe". The mask
            head keeps its deconvolution if the upsampler needs a guide. Default: the network's own
            in each place.
        options: options of `create_detector`. The mask head's own upsampler is a name too, such as
            mask_upsampler="carafe".

    Raises:
        ValueError: if there is no such detector, option or upsampler.
    """
    if name not in DETECTORS:
        raise ValueError(f"model must be one of {', '.join(DETECTORS)}, got {name!r}")
    exclude = unguided_places(upsampler, FPN_WIDTH) if name == "mask_rcnn" else (MASK_UPSAMPLER,)
    arguments = name, pyramid, classes
    return build_network(name, create_detector, arguments, options, upsampler, exclude)
