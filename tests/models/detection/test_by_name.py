"""Detectors and panoptic networks by name: which operator stands where."""

import pytest
import timm
from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.by_name import create_detector_by_name
from unstride.models.panoptic.by_name import create_panoptic_network
from unstride.upsamplers import SAPA, Bilinear, CarafeUpsample

KINDS = {"things": [1, 18], "stuff": [200]}
SMALL = {"width": 64, "min_size": 64}


def pyramid():
    return Pyramid(timm.create_model("resnet10t", num_classes=0), (4, 8, 16), name="resnet10t")


def count_modules(network, module_class):
    return sum(type(module) is module_class for module in network.modules())


def test_a_word_goes_to_the_fpn_and_to_the_mask_head():
    network = create_detector_by_name("mask_rcnn", pyramid(), 2, upsampler="carafe", **SMALL)
    assert count_modules(network.backbone.fpn, CarafeUpsample) == 2
    assert count_modules(network.roi_heads.mask_predictor, CarafeUpsample) == 1


def test_one_that_needs_a_guide_leaves_the_mask_head_its_deconvolution():
    network = create_detector_by_name("mask_rcnn", pyramid(), 2, upsampler="sapa", **SMALL)
    assert count_modules(network.backbone.fpn, SAPA) == 2
    assert count_modules(network.roi_heads.mask_predictor, nn.ConvTranspose2d) == 1
    with pytest.raises(ValueError, match="needs a guide"):
        create_detector_by_name("mask_rcnn", pyramid(), 2, mask_upsampler="sapa", **SMALL)


def test_the_mask_head_has_a_word_of_its_own():
    network = create_detector_by_name(
        "mask_rcnn", pyramid(), 2, upsampler="sapa", mask_upsampler="carafe:kernel_size=3", **SMALL
    )
    assert count_modules(network.backbone.fpn, SAPA) == 2
    assert network.roi_heads.mask_predictor.conv5_mask.kernel_size == 3


@pytest.mark.parametrize("name", ["faster_rcnn", "fcos", "retinanet"])
def test_without_a_mask_head_the_word_goes_to_the_fpn(name):
    network = create_detector_by_name(name, pyramid(), 2, upsampler="carafe", **SMALL)
    assert count_modules(network, CarafeUpsample) == (2 if name == "faster_rcnn" else 1)


def test_a_panoptic_word_goes_everywhere():
    network = create_panoptic_network(
        "panoptic_fpn", pyramid(), 3, upsampler="carafe", **KINDS, **SMALL
    )
    assert count_modules(network.detector.backbone.fpn, CarafeUpsample) == 2
    assert count_modules(network.detector.roi_heads.mask_predictor, CarafeUpsample) == 1
    assert count_modules(network.branch, CarafeUpsample) == 3
    network = create_panoptic_network(
        "panoptic_deeplab", pyramid(), 3, upsampler="sapa", width=16, **KINDS
    )
    assert count_modules(network, SAPA) == 4
    network = create_panoptic_network(
        "panoptic_fpn", pyramid(), 3, upsampler="sapa", **KINDS, **SMALL
    )
    assert count_modules(network, SAPA) == 5


def test_a_word_for_a_single_place():
    network = create_panoptic_network(
        "panoptic_fpn", pyramid(), 3, branch_upsampler="carafe", **KINDS, **SMALL
    )
    assert (
        count_modules(network, CarafeUpsample) == count_modules(network.branch, CarafeUpsample) == 3
    )
    assert count_modules(network, Bilinear) == 0


def test_the_second_version_in_a_panoptic_network_of_any_width():
    network = create_panoptic_network(
        "panoptic_fpn", pyramid(), 3, mask_upsampler="carafe", version=2, **KINDS, **SMALL
    )
    heads, width = network.detector.roi_heads, SMALL["width"]
    assert len(network.detector.rpn.head.conv) == 2
    assert heads.box_head[0][0].weight.shape == (width, width, 3, 3)
    assert heads.box_predictor.cls_score.weight.shape == (3, 4 * width)
    assert count_modules(heads.mask_head, nn.BatchNorm2d) == 4
    assert count_modules(heads.mask_predictor, CarafeUpsample) == 1
    assert count_modules(network.detector.backbone.fpn, nn.BatchNorm2d) == 6


@pytest.mark.parametrize("width", [16, 256])
def test_heads_are_as_wide_as_the_levels(width):
    network = create_detector_by_name("mask_rcnn", pyramid(), 2, width=width, min_size=64)
    heads = network.roi_heads
    assert network.backbone.out_channels == width
    assert heads.box_head.fc6.weight.shape == (4 * width, 49 * width)
    assert heads.box_predictor.cls_score.weight.shape == (3, 4 * width)
    assert heads.mask_head[3][0].weight.shape == (width, width, 3, 3)
    assert heads.mask_predictor.mask_fcn_logits.weight.shape == (3, width, 1, 1)


@pytest.mark.parametrize(
    ("create", "name", "options", "message"),
    [
        (
            create_detector_by_name,
            "yolo",
            {},
            "model must be one of faster_rcnn, mask_rcnn, .*, got 'yolo'",
        ),
        (create_detector_by_name, "fcos", {"wdth": 1}, "fcos has no option wdth"),
        (create_detector_by_name, "fcos", {"width": 48}, "for fcos, got 48"),
        (create_detector_by_name, "fcos", {"width": 32}, "for fcos, got 32"),
        (
            create_detector_by_name,
            "fcos",
            {"upsampler": "carafe:size=1"},
            "upsampler 'carafe:size=1' has no option size",
        ),
        (
            create_panoptic_network,
            "upsnet",
            KINDS,
            "one of panoptic_fpn, panoptic_deeplab, got 'upsnet'",
        ),
        (
            create_panoptic_network,
            "panoptic_fpn",
            {"things": [1], "stuff": []},
            "classes must be 1 things .*, got 3",
        ),
        (
            create_panoptic_network,
            "panoptic_deeplab",
            KINDS | {"wdth": 1},
            "model panoptic_deeplab: ",
        ),
    ],
)
def test_what_there_is_not_is_named(create, name, options, message):
    with pytest.raises(ValueError, match=message):
        create(name, pyramid(), 3, **options)
