"""Every number among the options of every network is checked when the network is made."""

import math
from functools import partial

import pytest
import torch

from tests.models.tiny_pyramid import TinyPyramid
from unstride.backbones.pyramid import create_pyramid
from unstride.models.depth.by_name import create_depth_network
from unstride.models.detection.by_name import create_detector_by_name
from unstride.models.multitask.by_name import create_multitask_network
from unstride.models.panoptic.by_name import create_panoptic_network
from unstride.models.regeneration.modules import ForwardRegeneration, RecursiveRegeneration
from unstride.models.regeneration.shared_attention import SharedAttention
from unstride.models.segmentation.by_name import create_segmenter

DEPTHS = {"near": 0.1, "far": 10.0}
NETWORKS = {
    "semantic_fpn": (partial(create_segmenter, "semantic_fpn", classes=2), "width branch_width"),
    "upernet": (partial(create_segmenter, "upernet", classes=2), "width"),
    "hrnet_ocr": (partial(create_segmenter, "hrnet_ocr", classes=2), "width key_width"),
    "supervised": (partial(create_depth_network, "supervised"), "near far width"),
    "monodepth": (partial(create_depth_network, "monodepth", **DEPTHS), "width"),
    "multitask": (
        partial(create_multitask_network, "multitask", classes=2, tasks=["depth"], **DEPTHS),
        "width",
    ),
    "panoptic_deeplab": (
        partial(create_panoptic_network, "panoptic_deeplab", classes=2, things=[1], stuff=[2]),
        "width",
    ),
}
CASES = [(name, option) for name, (_, options) in NETWORKS.items() for option in options.split()]


@pytest.mark.parametrize(("name", "option"), CASES)
@pytest.mark.parametrize("value", [0, -1, math.nan, "wide"])
def test_a_number_out_of_its_range_is_named(name, option, value):
    create, _ = NETWORKS[name]
    given = (DEPTHS if name == "supervised" else {}) | {option: value}
    with pytest.raises(ValueError, match=f"^(?:model {name}: )?{option} must be .*, got {value!r}"):
        create(pyramid=TinyPyramid(), **given)


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (
            lambda: create_segmenter("upernet", TinyPyramid(), 0),
            "classes must be at least 1, got 0",
        ),
        (
            lambda: create_depth_network("supervised", TinyPyramid(), near=3.0, far=2.0),
            "near must be below far=2.0, got 3.0",
        ),
        (
            lambda: create_depth_network("supervised", TinyPyramid(), near=1, far=2, width=1),
            "width must be at least 2, got 1",
        ),
        (lambda: deeplab(merging={"window": 4}), "window must be odd and at least 1, got 4"),
        (lambda: deeplab(merging={"min_heat": 2}), "min_heat must be between 0 and 1, got 2"),
        (lambda: deeplab(merging={"height": 2}), "merging has no option height, only min_area, "),
        (lambda: SharedAttention(2, stride=0), "stride must be at least 1, got 0"),
        (lambda: ForwardRegeneration(2, blocks=0), "blocks must be at least 1, got 0"),
        (lambda: ForwardRegeneration(2, norm="layer"), "norm must be one of batch, group, got"),
        (lambda: RecursiveRegeneration(2, steps=-1), "steps must be at least 1, got -1"),
    ],
)
def test_what_no_network_could_be_made_with_is_said(create, message):
    with pytest.raises(ValueError, match=message):
        create()


def deeplab(**options):
    return create_panoptic_network(
        "panoptic_deeplab", TinyPyramid(), 2, things=[1], stuff=[2], **options
    )


def test_detectors_are_checked_alike():
    pyramid = create_pyramid("resnet18", pretrained=False)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        create_detector_by_name("mask_rcnn", pyramid, 2, width=0)
    panoptic_fpn = partial(
        create_panoptic_network, "panoptic_fpn", pyramid, 2, things=[1], stuff=[2]
    )
    with pytest.raises(ValueError, match="branch_width must be at least 1, got 0"):
        panoptic_fpn(branch_width=0)
    with pytest.raises(ValueError, match="semantic_weight must be at least 0, got -1"):
        panoptic_fpn(semantic_weight=-1)
    with pytest.raises(ValueError, match="min_score must be between 0 and 1, got 2"):
        panoptic_fpn(merging={"min_score": 2})


SMALL = {"semantic_fpn": {"width": 8, "branch_width": 8}, "supervised": DEPTHS | {"width": 4}}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_no_image_is_refused(name):
    create, _ = NETWORKS[name]
    options = SMALL.get(name, {"width": 8})
    network = create(pyramid=create_pyramid("resnet18", pretrained=False), **options).eval()
    for image, message in [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), r"got torch\.uint8: divide by 255"),
        (torch.rand(3, 64, 64), r"image must be \(batch, 3, height, width\), got \(3, 64, 64\)"),
        (255 * torch.rand(1, 3, 64, 64), r"image must be RGB in \[0, 1\].*divide by 255"),
    ]:
        with pytest.raises(ValueError, match=message):
            network(image)


@pytest.mark.parametrize("name", ["faster_rcnn", "panoptic_fpn"])
def test_lists_of_images_are_checked_too(name):
    pyramid = create_pyramid("resnet18", pretrained=False)
    if name == "panoptic_fpn":
        network = create_panoptic_network(name, pyramid, 2, things=[1], stuff=[2], min_size=64)
    else:
        network = create_detector_by_name(name, pyramid, 2, width=32, min_size=64)
    for image, message in [
        (torch.zeros(3, 64, 64, dtype=torch.uint8), r"got torch\.uint8: divide by 255"),
        (torch.rand(1, 64, 64), r"images must each be a tensor \(3, height, width\)"),
        (255 * torch.rand(3, 64, 64), r"image must be RGB in \[0, 1\].*divide by 255"),
    ]:
        with pytest.raises(ValueError, match=message):
            network.eval()([image])
