"""Creates semantic segmentation networks by name, for configs and the command line."""

from collections.abc import Callable
from typing import Any

from unstride.backbones.pyramid import Pyramid
from unstride.models.segmentation.corrected import CorrectedSegmenter
from unstride.models.segmentation.hrnet_ocr import HRNetOCR
from unstride.models.segmentation.segmenter import Segmenter
from unstride.models.segmentation.semantic_fpn import SemanticFPN
from unstride.models.segmentation.upernet import UPerNet
from unstride.models.upsampler_options import build_network

SEGMENTERS: dict[str, Callable[..., Segmenter]] = {
    "semantic_fpn": SemanticFPN,
    "upernet": UPerNet,
    "hrnet_ocr": HRNetOCR,
}
# upsamples logits, not features: bilinear unless the options set it
LAST_UPSAMPLER = "last_upsampler"


def create_segmenter(
    name: str,
    pyramid: Pyramid,
    classes: int,
    *,
    upsampler: str | None = None,
    shared_attention: bool | dict[str, Any] = False,
    **options: Any,
) -> Segmenter | CorrectedSegmenter:
    """Create a segmentation network.

    Args:
        name: semantic_fpn, upernet or hrnet_ocr.
        pyramid: features of the image.
        classes: number of classes.
        upsampler: name, with options, for every place that upsamples features, such as "carafe" or
            "carafe:kernel_size=3". Default: the network's own in each place.
        shared_attention: correct the logits with `SharedAttention` (DejaVu-SA); its options, or
            true.
        options: options of the network. One for a single place holds a name, such as
            fpn_upsampler="sapa".

    Raises:
        ValueError: if there is no such network, option or upsampler.
    """
    if name not in SEGMENTERS:
        raise ValueError(f"model must be one of {', '.join(SEGMENTERS)}, got {name!r}")
    arguments = pyramid, classes
    excluded = (LAST_UPSAMPLER,)
    segmenter = build_network(name, SEGMENTERS[name], arguments, options, upsampler, excluded)
    if shared_attention is False:
        return segmenter
    attention_options = {} if shared_attention is True else shared_attention
    try:
        return CorrectedSegmenter(segmenter, **attention_options)
    except TypeError as error:
        raise ValueError(f"shared_attention: {error}") from None
