"""Detectors: torchvision's numbers with nearest, and any operator in FPN and mask head."""

from copy import deepcopy
from functools import partial

import pytest
import timm
import torch
from torchvision.models import detection as theirs
from torchvision.models.detection.faster_rcnn import TwoMLPHead

from unstride.backbones.pyramid import Pyramid
from unstride.models.detection.detector import (
    DETECTORS,
    MaskPredictor,
    create_detector,
)
from unstride.models.detection.torchvision_weights import (
    convert_to_frozen_batchnorm,
    load_torchvision_weights,
)
from unstride.upsamplers.by_name import create_upsampler

TORCHVISION = {
    "faster_rcnn": theirs.fasterrcnn_resnet50_fpn,
    "mask_rcnn": theirs.maskrcnn_resnet50_fpn,
    "fcos": theirs.fcos_resnet50_fpn,
    "retinanet": theirs.retinanet_resnet50_fpn,
}
TORCHVISION_V2 = {
    "faster_rcnn": theirs.fasterrcnn_resnet50_fpn_v2,
    "mask_rcnn": theirs.maskrcnn_resnet50_fpn_v2,
    "retinanet": theirs.retinanet_resnet50_fpn_v2,
}
IMAGES = [(3, 96, 128), (3, 90, 71)]  # a batch whose images need padding


def resnet(name="resnet50", **options):
    return Pyramid(timm.create_model(name, num_classes=0), name=name, **options)


def randomise_statistics(model):
    """Statistics and biases away from their start, so that every part shows in the result."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if "running_var" in name:
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        elif name.endswith("bn3.weight"):
            value.fill_(0.2)  # or the features of random weights grow from block to block
        elif value.is_floating_point() and value.ndim == 1:
            value.add_(torch.randn(value.shape, generator=generator) * 0.05)
    return model


@pytest.mark.parametrize("architecture", DETECTORS)
@pytest.mark.parametrize("size", [90, 96])  # as it is, and resized
def test_torchvision_checkpoints_load_and_give_its_numbers(architecture, size):
    options = {"min_size": size, "max_size": 200}
    threshold = "box_score_thresh" if "rcnn" in architecture else "score_thresh"
    options[threshold] = 0.0
    number = {"num_classes": 6, "weights": None, "weights_backbone": None}
    model = randomise_statistics(TORCHVISION[architecture](**number, **options)).eval()
    convert_to_frozen_batchnorm(model.backbone.body)
    ours = create_detector(architecture, convert_to_frozen_batchnorm(resnet()), 5, **options).eval()
    load_torchvision_weights(ours, model.state_dict())
    images = [torch.rand(shape) for shape in (IMAGES if size == 96 else [(3, 90, 128)])]

    with torch.no_grad():
        expected, actual = model(images), ours(images)

    for e, a in zip(expected, actual, strict=True):
        assert len(e["boxes"]) > 5
        assert e.keys() == a.keys()
        for name in e:
            if size == 90:
                assert torch.equal(a[name], e[name]), name
            else:
                clear = is_clear_rank(e["scores"])
                torch.testing.assert_close(a[name][clear], e[name][clear], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", TORCHVISION_V2)
def test_checkpoints_of_version_2_load_and_give_torchvisions_numbers_and_losses(architecture):
    options = {"min_size": 64, "max_size": 100}
    options["box_score_thresh" if "rcnn" in architecture else "score_thresh"] = 0.0
    number = {"num_classes": 6, "weights": None, "weights_backbone": None}
    model = randomise_statistics(TORCHVISION_V2[architecture](**number, **options)).eval()
    ours = create_detector(architecture, resnet(), 5, version=2, **options).eval()
    load_torchvision_weights(ours, model.state_dict())
    images = [torch.rand(3, 64, 96)]
    target = {
        "boxes": torch.tensor([[4.0, 4, 40, 50]]),
        "labels": torch.tensor([2]),
        "masks": torch.ones(1, 64, 96, dtype=torch.uint8),
    }

    with torch.no_grad():
        (expected,), (actual,) = model(images), ours(images)
        torch.manual_seed(0)
        expected_losses = model.train()(images, [target])
        torch.manual_seed(0)
        losses = ours.train()(images, [target])

    assert len(expected["boxes"]) > 5
    for name in expected:
        assert torch.equal(actual[name], expected[name]), name
    assert losses == expected_losses


def is_clear_rank(scores):
    """Places, of falling scores, that rounding does not exchange."""
    gap = (scores[:-1] - scores[1:]) > 1e-5
    end = torch.ones(1, dtype=torch.bool)
    return torch.cat([end, gap]) & torch.cat([gap, end])


@pytest.mark.parametrize(
    ("architecture", "version"),
    [
        *((architecture, 1) for architecture in DETECTORS),
        *((architecture, 2) for architecture in TORCHVISION_V2),
    ],
)
def test_losses_reach_every_parameter(architecture, version):
    pyramid = convert_to_frozen_batchnorm(resnet("resnet10t"))
    carafe = partial(create_upsampler, "carafe")
    options = {"mask_upsampler": carafe} if architecture == "mask_rcnn" else {}
    options |= {"min_size": 64, "version": version}
    model = create_detector(architecture, pyramid, 3, fpn_upsampler=carafe, **options).train()
    targets = [
        {
            "boxes": torch.tensor([[4.0, 4, 40, 50]]),
            "labels": torch.tensor([2]),
            "masks": torch.ones(1, 64, 64, dtype=torch.uint8),
        }
    ]
    losses = model([torch.rand(3, 64, 64)], targets)
    sum(losses.values()).backward()
    still = [n for n, p in model.named_parameters() if p.grad is None and p.requires_grad]
    assert still == []
    assert all(loss.isfinite() for loss in losses.values())


def test_an_operator_is_where_the_deconvolution_was():
    predictor = MaskPredictor(partial(create_upsampler, "bilinear"), 4)
    out = predictor(torch.ones(2, 256, 14, 14))
    assert out.shape == (2, 4, 28, 28)
    expected = predictor.mask_fcn_logits(torch.ones(2, 256, 28, 28))
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize(
    "name", ["deconv", "carafe", "a2u", "dysample", "pixel_shuffle", "bilinear"]
)
def test_no_object_is_no_mask_and_no_gradient(name):
    predictor = MaskPredictor(partial(create_upsampler, name), 4, 32)
    features = torch.rand(0, 32, 14, 14, requires_grad=True)
    masks = predictor(features)
    assert masks.shape == (0, 4, 28, 28)
    masks.sum().backward()
    assert features.grad.shape == features.shape
    assert all((p.grad == 0).all() for p in predictor.parameters())


def test_a_network_that_finds_nothing_goes_on():
    carafe = partial(create_upsampler, "carafe")
    model = create_detector("mask_rcnn", resnet("resnet10t"), 2, mask_upsampler=carafe, min_size=64)
    nothing = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
    }
    sum(model.train()([torch.rand(3, 64, 64)], [nothing]).values()).backward()
    model.roi_heads.score_thresh = 1.1
    with torch.no_grad():
        (found,) = model.eval()([torch.rand(3, 64, 64)])
    assert found["masks"].shape == (0, 1, 64, 64)


def test_levels_are_pooled_by_their_strides_whatever_the_first_image_is():
    sizes = {"min_size": 64, "max_size": 528}
    model = create_detector("faster_rcnn", resnet("resnet10t"), 2, **sizes).eval()
    pool = model.roi_heads.box_roi_pool
    with torch.no_grad():
        model([torch.rand(3, 40, 640)])  # 33 x 528, on a grid of 64 x 544
    assert pool.scales == [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    maps = {str(s): torch.full((1, 1, 256 // s, 256 // s), float(s)) for s in (4, 8, 16, 32)}
    sides = torch.tensor([60.0, 120.0, 240.0, 250.0])  # 224 pixels belong to stride 16
    boxes = torch.stack([torch.zeros(4), torch.zeros(4), sides, sides], 1)
    pooled = pool(maps, [boxes], [(256, 256)])
    assert pooled.mean((1, 2, 3)).tolist() == [4, 8, 16, 16]


def test_strides_with_a_gap_are_refused():
    pyramid = resnet("resnet10t", strides=(4, 16, 32))
    with pytest.raises(ValueError, match=r"must be twice the previous one, got \[4, 16, 32\]"):
        create_detector("mask_rcnn", pyramid, 2)


@pytest.mark.parametrize("version", [1, 2])
def test_a_head_of_ones_own_is_kept(version):
    box_head = TwoMLPHead(32 * 7 * 7, 128)
    model = create_detector(
        "faster_rcnn", resnet("resnet10t"), 2, width=32, box_head=box_head, version=version
    )
    assert model.roi_heads.box_head is box_head
    assert model.roi_heads.box_predictor.cls_score.in_features == 128


@pytest.mark.parametrize("architecture", DETECTORS)
def test_boxes_are_not_rounded_to_half_types(architecture):
    sure = {"score_thresh": 0.0}
    if "rcnn" in architecture:  # few boxes: masks of many take their time in half types
        sure = {"box_score_thresh": 0.0, "box_detections_per_img": 5}
    model = create_detector(
        architecture, convert_to_frozen_batchnorm(resnet("resnet10t")), 2, min_size=64, **sure
    ).eval()
    boxes = []
    hook = model.transform.postprocess
    model.transform.postprocess = lambda result, *sizes: (
        boxes.append(result[0]) or hook(result, *sizes)
    )
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model([torch.rand(3, 64, 96)])
    assert {value.dtype for name, value in boxes[0].items() if name != "labels"} == {torch.float32}
    generator = model.rpn.anchor_generator if "rcnn" in architecture else model.anchor_generator
    assert all(anchors.dtype == torch.float32 for anchors in generator.cell_anchors)


def test_frozen_norms_keep_their_type():
    network = convert_to_frozen_batchnorm(torch.nn.Sequential(torch.nn.BatchNorm2d(3)).double())
    assert {v.dtype for v in network.state_dict().values()} == {torch.float64}


def test_the_fpn_uses_the_operator_and_gives_it_the_image():
    own = partial(create_upsampler, "featup_jbu")
    model = create_detector(
        "faster_rcnn", resnet("resnet10t"), 2, fpn_upsampler=own,
        min_size=64, box_score_thresh=0,
    ).eval()  # fmt: skip
    with torch.no_grad():
        (found,) = model([torch.rand(3, 64, 70)])
    assert found["boxes"].shape[1] == 4
    assert [type(up).__name__ for up in model.backbone.fpn.upsamplers] == ["BilateralStack"] * 3


def test_each_step_draws_one_of_the_sizes():
    detector = create_detector("faster_rcnn", resnet("resnet10t"), 2, min_size=(64, 96)).train()
    images = [torch.rand(3, 100, 120)]
    sizes = {detector.transform(images)[0].image_sizes[0] for _ in range(30)}
    assert sizes == {(64, 76), (96, 115)}
    assert detector.eval().transform(images)[0].image_sizes == [(96, 115)]


def test_pyramids_without_the_finest_stride_are_refused():
    pyramid = resnet("resnet10t", strides=(8, 16, 32))
    with pytest.raises(ValueError, match=r"must have stride 4, got \[8, 16, 32\]"):
        create_detector("mask_rcnn", pyramid, 2)
    assert create_detector("fcos", pyramid, 2).backbone.level_strides == [8, 16, 32, 64, 128]


@pytest.mark.parametrize(
    ("architecture", "classes", "options", "message"),
    [
        ("yolo", 2, {}, "one of faster_rcnn, mask_rcnn, fcos, retinanet, got 'yolo'"),
        ("fcos", 0, {}, "classes must be at least 1"),
        ("fcos", 2, {"mask_upsampler": partial(create_upsampler, "carafe")}, "needs a mask head"),
        ("mask_rcnn", 2, {"mask_upsampler": partial(create_upsampler, "featup_jbu")}, "guide"),
        ("fcos", 2, {"version": 2}, "fcos has no version 2"),
        ("retinanet", 2, {"version": 2, "width": 48}, "for retinanet, got 48"),
        ("mask_rcnn", 2, {"min_sise": 64}, "mask_rcnn has no option min_sise"),
    ],
)
def test_what_does_not_fit_is_refused(architecture, classes, options, message):
    with pytest.raises(ValueError, match=message):
        create_detector(architecture, resnet("resnet10t"), classes, **options)


def test_a_batch_is_padded_with_the_mean_colour():
    model = create_detector("faster_rcnn", resnet("resnet10t"), 2, min_size=32, max_size=32)
    batch, _ = model.transform([torch.ones(3, 32, 20), torch.zeros(3, 20, 32)])
    assert batch.tensors.shape == (2, 3, 32, 32)
    assert batch.tensors[0, :, :, :20].eq(1).all()
    mean = model.backbone.body.mean.view(3, 1, 1)
    assert batch.tensors[0, :, :, 20:].eq(mean).all()
    assert batch.tensors[1, :, 20:].eq(mean).all()


def test_norms_frozen_and_not_give_the_same_in_evaluation():
    pyramid = randomise_statistics(resnet("resnet10t")).eval()
    same, image = deepcopy(pyramid), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before, after = pyramid(image), convert_to_frozen_batchnorm(pyramid)(image)
        for stride in before:
            torch.testing.assert_close(after[stride], before[stride], rtol=1e-4, atol=1e-4)
        coarse = convert_to_frozen_batchnorm(same, 0.1)(image)
    assert not torch.allclose(coarse[32], before[32], rtol=1e-3)
    assert not [m for m in pyramid.modules() if type(m) is torch.nn.BatchNorm2d]
