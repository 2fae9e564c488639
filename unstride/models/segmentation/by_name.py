"""Networks for segmentation by name, with operators by their words: what configs say."""

from collections.abc import Callable
from typing import Any

from unstride.backbones.pyramid import Pyramid
from unstride.models.segmentation.hrnet_ocr import HRNetOCR
from unstride.models.segmentation.segmenter import Segmenter
from unstride.models.segmentation.semantic_fpn import SemanticFPN
from unstride.models.segmentation.upernet import UPerNet
from unstride.models.upsampler_options import build_named

SEGMENTERS: dict[str, Callable[..., Segmenter]] = {
    "semantic_fpn": SemanticFPN,
    "upernet": UPerNet,
    "hrnet_ocr": HRNetOCR,
}
LAST_UPSAMPLER = (
    "last_upsampler"  # of logits, not of features: it stays bilinear unless it is named
)


def create_segmenter(
    name: str, pyramid: Pyramid, classes: int, *, upsampler: str | None = None, **options: Any
) -> Segmenter:
    """A network for segmentation.

    Args:
        name: semantic_fpn, upernet or hrnet_ocr.
        pyramid: features of the image.
        classes: number of classes.
        upsampler: at every place where it enlarges features, a word such as "carafe" or
            "carafe:kernel_size=3"; by default each place has the network's own.
        options: of the network; a word for a single place, such as fpn_upsampler="sapa".

    Raises:
        ValueError: if there is no such network, option or upsampler.
    """
    if name not in SEGMENTERS:
        raise ValueError(f"model {name!r}: there are {', '.join(SEGMENTERS)}")
    make = SEGMENTERS[name]
    return build_named(name, make, (pyramid, classes), options, upsampler, (LAST_UPSAMPLER,))
