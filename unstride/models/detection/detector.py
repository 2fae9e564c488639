"""Detectors on any backbone, with any operator in the FPN and in the mask head.

Ren et al., "Faster R-CNN", NeurIPS 2015, arXiv:1506.01497; He et al., "Mask R-CNN", ICCV 2017,
arXiv:1703.06870; Lin et al., "Focal Loss" (RetinaNet), ICCV 2017, arXiv:1708.02002; Tian et al.,
"FCOS", ICCV 2019, arXiv:1904.01355. The heads and losses are torchvision's, whose checkpoints fit.
"""

from collections.abc import Mapping, Sequence
from inspect import signature
from itertools import pairwise
from math import log2
from typing import Any

from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import initLevelMapper

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.heads import retinanet_v2_head, two_stage_heads
from unstride.models.detection.torchvision_parts import (
    FPN_WIDTH,
    BackboneWithFPN,
    MaskPredictor,
    MeanPaddedTransform,
)
from unstride.necks.fpn import TorchNearest
from unstride.precision import upcast_half
from unstride.upsamplers.factory import UpsamplerFactory

TWO_STAGE = {"faster_rcnn": FasterRCNN, "mask_rcnn": MaskRCNN}
ONE_STAGE = {"fcos": FCOS, "retinanet": RetinaNet}
DETECTORS = (*TWO_STAGE, *ONE_STAGE)
WITH_VERSION_2 = ("faster_rcnn", "mask_rcnn", "retinanet")  # of which torchvision has a version 2
RESERVED_OPTIONS = {"backbone", "num_classes", "image_mean", "image_std", "kwargs"}  # not for users


def create_detector(
    kind: str,
    pyramid: Pyramid,
    classes: int,
    *,
    fpn_upsampler: UpsamplerFactory = TorchNearest,
    mask_upsampler: UpsamplerFactory | None = None,
    width: int = FPN_WIDTH,
    version: int = 1,
    **options: Any,
) -> nn.Module:
    """A detector of torchvision's, called as torchvision's are.

    It takes a list of images, RGB in [0, 1], each of any size. In training it takes targets too,
    without crowds, and returns losses; in evaluation a dictionary for each image: `boxes` (XYXY in
    pixels), `labels` (from 1), `scores` and, of Mask R-CNN, `masks` in [0, 1].

    Args:
        kind: "faster_rcnn", "mask_rcnn", "fcos" or "retinanet".
        pyramid: with strides from 4 (R-CNN) or 8 (the others); finer ones are not used,
            and a plain vision transformer's pyramid no longer makes them.
        classes: of objects, without the background.
        fpn_upsampler: of the FPN, see `FPN`.
        mask_upsampler: in the place of the mask head's deconvolution and its ReLU, called as
            `factory(channels, scale=2)`; by default torchvision's deconvolution.
        width: channels of every level and of the heads, of fcos and of retinanet's version 2 a
            multiple of 32 from 64 on; a box's vector has four times as many.
        version: 2 for the deeper, normalised heads of those that torchvision calls v2; their
            batch norms want more than a few images per step.
        options: of torchvision's class, such as min_size (pixels of the shorter side).

    Raises:
        ValueError: if there is no such kind, version or option, the pyramid has no such strides
            or one that is not twice the one before, `classes` or `width` does not fit, or there
            is a mask_upsampler without a mask head.
    """
    _check_arguments(kind, classes, options, width=width, version=version)
    if mask_upsampler is not None and kind != "mask_rcnn":
        raise ValueError(f"mask_upsampler: {kind} has no mask head")
    trunk = BackboneWithFPN(
        pyramid, 4 if kind in TWO_STAGE else 8, fpn_upsampler, width,
        norm=nn.BatchNorm2d if version == 2 and kind in TWO_STAGE else None,
        p6_of_features=version == 2,
    )  # fmt: skip
    if any(coarse != 2 * fine for fine, coarse in pairwise(trunk.strides)):
        raise ValueError(f"pyramid of strides {trunk.strides}: each must be twice the one before")
    build = _build_two_stage if kind in TWO_STAGE else _build_one_stage
    detector = build(kind, trunk, classes + 1, version, options)
    if mask_upsampler is not None:
        detector.roi_heads.mask_predictor = MaskPredictor(mask_upsampler, classes + 1, width)
    detector.transform = MeanPaddedTransform(detector.transform, pyramid)
    for says in _prediction_layers(
        detector
    ):  # boxes in half types would be rounded to several pixels
        says.register_forward_hook(_output_to_float32)
    return detector


def _check_arguments(
    kind: str, classes: int, options: Mapping[str, Any], *, width: int, version: int
) -> None:
    if kind not in DETECTORS:
        raise ValueError(f"kind {kind!r}: there are {', '.join(DETECTORS)}")
    if version not in ((1, 2) if kind in WITH_VERSION_2 else (1,)):
        raise ValueError(f"version {version}: of {kind} there is no such")
    if classes < 1:
        raise ValueError(f"classes {classes}: at least one, the background not counted")
    grouped = kind == "fcos" or (kind == "retinanet" and version == 2)
    if grouped and (width % 32 or width < 64):  # nothing is left of a group of one value
        raise ValueError(f"width {width}: {kind} has 32 groups of two channels or more")
    known = signature((TWO_STAGE | ONE_STAGE)[kind]).parameters.keys() - RESERVED_OPTIONS
    if unknown := sorted(options.keys() - known):  # torchvision takes any word
        raise ValueError(f"{unknown[0]}: no option of {kind}")


def _build_two_stage(
    kind: str, trunk: BackboneWithFPN, classes: int, version: int, options: dict[str, Any]
) -> Any:
    anchors = _anchor_generator([(8 * s,) for s in trunk.levels], (0.5, 1.0, 2.0))
    chosen: dict[str, Any] = {
        "rpn_anchor_generator": anchors,
        "box_roi_pool": _roi_pool(trunk, 7),
    }
    if kind == "mask_rcnn":
        chosen["mask_roi_pool"] = _roi_pool(trunk, 14)
    detector = TWO_STAGE[kind](trunk, classes, **(chosen | options))
    if version == 2 or trunk.out_channels != FPN_WIDTH:
        heads = two_stage_heads(detector, trunk.out_channels, classes, version=version)
        for name in heads.keys() - options.keys():
            place = (detector.rpn, "head") if name == "rpn_head" else (detector.roi_heads, name)
            setattr(*place, heads[name])
    return detector


def _build_one_stage(
    kind: str, trunk: BackboneWithFPN, classes: int, version: int, options: dict[str, Any]
) -> Any:
    if kind == "fcos":
        anchors = _anchor_generator([(s,) for s in trunk.levels], (1.0,))
    else:
        octave = [2 ** (n / 3) for n in range(3)]
        sizes = [tuple(int(4 * s * part) for part in octave) for s in trunk.levels]
        anchors = _anchor_generator(sizes, (0.5, 1.0, 2.0))
    chosen = {"anchor_generator": anchors} | options
    if version == 2 and "head" not in options:
        each = chosen["anchor_generator"].num_anchors_per_location()[0]
        chosen["head"] = retinanet_v2_head(trunk.out_channels, each, classes)
    return ONE_STAGE[kind](trunk, classes, **chosen)


def _anchor_generator(
    sizes: Sequence[tuple[int, ...]], ratios: tuple[float, ...]
) -> AnchorGenerator:
    return AnchorGenerator(tuple(sizes), (ratios,) * len(sizes))


def _roi_pool(trunk: BackboneWithFPN, side: int) -> MultiScaleRoIAlign:
    pool = MultiScaleRoIAlign([str(s) for s in trunk.strides], side, sampling_ratio=2)
    first, last = (int(log2(trunk.strides[i])) for i in (0, -1))
    pool.scales = [1 / s for s in trunk.strides]  # torchvision guesses them from the first image
    pool.map_levels = initLevelMapper(first, last)
    return pool


def _prediction_layers(detector: Any) -> list[nn.Module]:
    """The parts whose answers torchvision takes for boxes, scores and masks."""
    if not hasattr(detector, "roi_heads"):
        return [detector.head]
    heads = detector.roi_heads
    masks = [heads.mask_predictor] if heads.has_mask() else []
    return [detector.rpn.head, heads.box_predictor, *masks]


def _output_to_float32(part: nn.Module, given: Any, answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _output_to_float32(part, given, each) for name, each in answer.items()}
    if isinstance(answer, list | tuple):
        return type(answer)(_output_to_float32(part, given, each) for each in answer)
    return upcast_half(answer)
