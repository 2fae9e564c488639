"""Networks for segmentation by name, with operators by their words: what configs say."""

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from typing import Any

from unstride.inference.from_names import parse_word
from unstride.models.segmentation.hrnet_ocr import HRNetOCR
from unstride.models.segmentation.segmenter import Segmenter
from unstride.models.segmentation.semantic_fpn import SemanticFPN
from unstride.models.segmentation.upernet import UPerNet
from unstride.backbones.pyramid import Pyramid
from unstride.upsamplers import UPSAMPLERS, create_upsampler
from unstride.upsamplers.factory import Factory

SEGMENTERS: dict[str, Callable[..., Segmenter]] = {
    "semantic_fpn": SemanticFPN,
    "upernet": UPerNet,
    "hrnet_ocr": HRNetOCR,
}
OUTPUT = "last_upsampler"  # of logits, not of features: it stays bilinear unless it is named


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
    try:
        return make(pyramid, classes, **placed(make, options, upsampler, without=(OUTPUT,)))
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None


def placed(
    make: Callable[..., Any],
    options: dict[str, Any],
    upsampler: str | None = None,
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The options with factories in the place of words, and `upsampler` at all other places.

    Args:
        make: whose parameters that end in "upsampler" are the places.
        options: of it.
        upsampler: a word, or None to leave the other places alone.
        without: places that `upsampler` does not go to.
    """
    chosen = dict(options)
    for place in signature(make).parameters:
        if not place.endswith("upsampler"):
            continue
        if isinstance(chosen.get(place), str):
            chosen[place] = factory(chosen[place])
        elif upsampler is not None and place not in options and place not in without:
            chosen[place] = factory(upsampler)
    return chosen


def factory(word: str) -> Factory:
    """What makes the upsampler that a word names, options after a colon.

    Raises:
        ValueError: if it has no such option.
    """
    name, options = parse_word(word)
    if name in UPSAMPLERS:
        known = signature(UPSAMPLERS[name]).parameters
        unknown = options.keys() - known.keys() - {"stages"}
        if unknown and not any(p.kind is Parameter.VAR_KEYWORD for p in known.values()):
            raise ValueError(f"upsampler {word!r}: no option {', '.join(sorted(unknown))}")
    return partial(create_upsampler, name, **options)
