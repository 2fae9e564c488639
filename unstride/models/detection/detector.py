"""Detectors on any backbone, with any operator in the FPN and in the mask head.

Ren et al., "Faster R-CNN", NeurIPS 2015, arXiv:1506.01497; He et al., "Mask R-CNN", ICCV 2017,
arXiv:1703.06870; Lin et al., "Focal Loss" (RetinaNet), ICCV 2017, arXiv:1708.02002; Tian et al.,
"FCOS", ICCV 2019, arXiv:1904.01355. Heads and losses are torchvision's, so its checkpoints load.
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
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.factory import UpsamplerFactory

TWO_STAGE = {"faster_rcnn": FasterRCNN, "mask_rcnn": MaskRCNN}
ONE_STAGE = {"fcos": FCOS, "retinanet": RetinaNet}
DETECTORS = (*TWO_STAGE, *ONE_STAGE)
WITH_VERSION_2 = ("faster_rcnn", "mask_rcnn", "retinanet")  # those with a v2 in torchvision
# torchvision's arguments that users may not set
RESERVED_OPTIONS = {"backbone", "num_classes", "image_mean", "image_std", "kwargs"}


@checked
def create_detector(
    architecture: str,
    pyramid: Pyramid,
    classes: int,
    *,
    fpn_upsampler: UpsamplerFactory = TorchNearest,
    mask_upsampler: UpsamplerFactory | None = None,
    width: PositiveInt = FPN_WIDTH,
    version: int = 1,
    **options: Any,
) -> nn.Module:
    """Create one of torchvision's detectors, with torchvision's interface.

    It takes a list of images, RGB in [0, 1], each of any size. In training it also takes targets,
    without crowds, and returns losses. In evaluation it returns a dictionary for each image:
    `boxes` (XYXY in pixels), `labels` (from 1), `scores` and, for Mask R-CNN, `masks` in [0, 1].

    Args:
        architecture: "faster_rcnn", "mask_rcnn", "fcos" or "retinanet".
        pyramid: features with strides from 4 (R-CNN) or 8 (the others). Finer strides are not used;
            a plain vision transformer's pyramid is changed to stop making them.
        classes: number of object classes, without the background.
        fpn_upsampler: upsampler of the FPN, see `FPN`.
        mask_upsampler: replaces the mask head's deconvolution and its ReLU, called as
            `factory(channels, scale=2)`. Default: torchvision's deconvolution.
        width: channels of every level and of the heads. For fcos and retinanet's version 2 a
            multiple of 32, at least 64. A box's vector has four times as many channels.
        version: 2 for the deeper, normalised heads of torchvision's v2 models. Their batch norms
            need more than a few images per step.
        options: options of torchvision's class, such as min_size (pixels of the shorter side).

    Raises:
        ValueError: if there is no such architecture, version or option, the pyramid lacks a stride
            or has one that is not twice the previous one, `classes` or `width` is invalid, or
            there is a mask_upsampler without a mask head.
    """
    _check_arguments(architecture, classes, options, width=width, version=version)
    if mask_upsampler is not None and architecture != "mask_rcnn":
        raise ValueError(f"mask_upsampler needs a mask head, which {architecture} does not have")
    is_two_stage = architecture in TWO_STAGE
    backbone = BackboneWithFPN(
        pyramid, 4 if is_two_stage else 8, fpn_upsampler, width,
        norm_layer=nn.BatchNorm2d if version == 2 and is_two_stage else None,
        p6_from_features=version == 2,
    )  # fmt: skip
    strides = backbone.pyramid_strides
    if any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
        raise ValueError(
            f"each stride of the pyramid must be twice the previous one, got {strides}"
        )
    build = _build_two_stage if is_two_stage else _build_one_stage
    detector = build(architecture, backbone, classes + 1, version, options)
    if mask_upsampler is not None:
        detector.roi_heads.mask_predictor = MaskPredictor(mask_upsampler, classes + 1, width)
    detector.transform = MeanPaddedTransform(detector.transform, pyramid)
    for layer in _prediction_layers(detector):  # half types would round boxes to several pixels
        layer.register_forward_hook(_output_to_float32)
    return detector


def _check_arguments(
    architecture: str, classes: int, options: Mapping[str, Any], *, width: int, version: int
) -> None:
    if architecture not in DETECTORS:
        raise ValueError(
            f"architecture must be one of {', '.join(DETECTORS)}, got {architecture!r}"
        )
    if version not in ((1, 2) if architecture in WITH_VERSION_2 else (1,)):
        raise ValueError(f"{architecture} has no version {version}")
    if classes < 1:
        raise ValueError(f"classes must be at least 1 without the background, got {classes}")
    has_group_norm = architecture == "fcos" or (architecture == "retinanet" and version == 2)
    if has_group_norm and (width % 32 or width < 64):  # a group of one value is normalised to zero
        raise ValueError(
            f"width must be a multiple of 32, at least 64, for {architecture}, got {width}"
        )
    constructor = (TWO_STAGE | ONE_STAGE)[architecture]
    allowed_options = signature(constructor).parameters.keys() - RESERVED_OPTIONS
    if unknown := sorted(options.keys() - allowed_options):  # torchvision ignores unknown options
        raise ValueError(f"{architecture} has no option {unknown[0]}")


def _build_two_stage(
    architecture: str,
    backbone: BackboneWithFPN,
    num_classes: int,
    version: int,
    options: dict[str, Any],
) -> Any:
    anchors = _anchor_generator([(8 * s,) for s in backbone.level_strides], (0.5, 1.0, 2.0))
    arguments: dict[str, Any] = {
        "rpn_anchor_generator": anchors,
        "box_roi_pool": _roi_pool(backbone, 7),
    }
    if architecture == "mask_rcnn":
        arguments["mask_roi_pool"] = _roi_pool(backbone, 14)
    detector = TWO_STAGE[architecture](backbone, num_classes, **(arguments | options))
    width = backbone.out_channels
    if version == 2 or width != FPN_WIDTH:
        heads = two_stage_heads(detector, width, num_classes, version=version)
        for name in heads.keys() - options.keys():
            if name == "rpn_head":
                detector.rpn.head = heads[name]
            else:
                setattr(detector.roi_heads, name, heads[name])
    return detector


def _build_one_stage(
    architecture: str,
    backbone: BackboneWithFPN,
    num_classes: int,
    version: int,
    options: dict[str, Any],
) -> Any:
    if architecture == "fcos":
        anchors = _anchor_generator([(s,) for s in backbone.level_strides], (1.0,))
    else:
        octave = [2 ** (n / 3) for n in range(3)]
        sizes = [tuple(int(4 * s * part) for part in octave) for s in backbone.level_strides]
        anchors = _anchor_generator(sizes, (0.5, 1.0, 2.0))
    arguments = {"anchor_generator": anchors} | options
    if version == 2 and "head" not in options:
        num_anchors = arguments["anchor_generator"].num_anchors_per_location()[0]
        arguments["head"] = retinanet_v2_head(backbone.out_channels, num_anchors, num_classes)
    return ONE_STAGE[architecture](backbone, num_classes, **arguments)


def _anchor_generator(
    sizes: Sequence[tuple[int, ...]], ratios: tuple[float, ...]
) -> AnchorGenerator:
    return AnchorGenerator(tuple(sizes), (ratios,) * len(sizes))


def _roi_pool(backbone: BackboneWithFPN, output_size: int) -> MultiScaleRoIAlign:
    strides = backbone.pyramid_strides
    pool = MultiScaleRoIAlign([str(s) for s in strides], output_size, sampling_ratio=2)
    first, last = (int(log2(strides[i])) for i in (0, -1))
    pool.scales = [1 / s for s in strides]  # torchvision guesses them from the first image
    pool.map_levels = initLevelMapper(first, last)
    return pool


def _prediction_layers(detector: Any) -> list[nn.Module]:
    """The modules that predict boxes, scores and masks."""
    if not hasattr(detector, "roi_heads"):
        return [detector.head]
    heads = detector.roi_heads
    masks = [heads.mask_predictor] if heads.has_mask() else []
    return [detector.rpn.head, heads.box_predictor, *masks]


def _output_to_float32(module: nn.Module, inputs: Any, output: Any) -> Any:
    """Forward hook that casts half types in a module's output to float32."""
    if isinstance(output, dict):
        return {name: _output_to_float32(module, inputs, part) for name, part in output.items()}
    if isinstance(output, list | tuple):
        return type(output)(_output_to_float32(module, inputs, part) for part in output)
    return upcast_half(output)
