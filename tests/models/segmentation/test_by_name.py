"""What every segmentation network promises, with any operator at any of its places."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, pad

from tests.models.tiny_pyramid import TinyPyramid
from tests.necks.factories import FACTORIES, CustomUpsampler, parameters_without_gradient, randomise
from unstride.backbones.pyramid import create_pyramid
from unstride.models.segmentation.hrnet_ocr import HRNetOCR
from unstride.models.segmentation.semantic_fpn import SemanticFPN
from unstride.models.segmentation.upernet import UPerNet
from unstride.upsamplers import CarafeUpsample, Nearest, Upsampler

MODELS = {
    "semantic_fpn": partial(SemanticFPN, width=8, branch_width=8),
    "upernet": partial(UPerNet, width=8),
    "hrnet_ocr": partial(HRNetOCR, width=8, key_width=4),
}
PLACES = [
    ("semantic_fpn", "branch_upsampler"), ("semantic_fpn", "fpn_upsampler"),
    ("semantic_fpn", "last_upsampler"), ("upernet", "pooling_upsampler"),
    ("upernet", "fpn_upsampler"), ("upernet", "fusion_upsampler"), ("upernet", "last_upsampler"),
    ("hrnet_ocr", "fusion_upsampler"), ("hrnet_ocr", "last_upsampler"),
]  # fmt: skip
WANT_EQUAL_CHANNELS = {  # max_unpool marks the guide's maxima channel by channel
    ("upernet", "fusion_upsampler"), ("upernet", "last_upsampler"),
    ("hrnet_ocr", "fusion_upsampler"), ("hrnet_ocr", "last_upsampler"),
    ("semantic_fpn", "last_upsampler"),
}  # fmt: skip
every_model = pytest.mark.parametrize("name", MODELS)


def build(name, classes=5, **options):
    return MODELS[name](TinyPyramid(), classes, **options)


@every_model
@pytest.mark.parametrize("size", [(48, 64), (37, 51), (17, 90)])
def test_logits_of_every_pixel_of_any_image(name, size):
    model = build(name)
    logits, auxiliary = model.forward_with_auxiliary(torch.rand(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    assert (auxiliary is not None) == (name == "hrnet_ocr")
    assert auxiliary is None or auxiliary.shape == logits.shape


@every_model
@torch.inference_mode()
def test_the_forward_is_the_logits_alone(name):
    model, image = build(name).eval(), torch.rand(1, 3, 37, 51)
    assert torch.equal(model(image), model.forward_with_auxiliary(image).logits)


@every_model
@torch.inference_mode()
def test_an_image_knows_nothing_of_its_batch(name):
    model, images = randomise(build(name)).eval(), torch.rand(3, 3, 37, 51)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]))


@every_model
@torch.inference_mode()
def test_padding_is_cropped_where_it_was_put(name):
    """The image mirrored by hand gives the same logits, and more beside them."""
    model, image = randomise(build(name)).eval(), torch.rand(1, 3, 37, 51)
    by_hand = pad(image, (0, 13, 0, 11), mode="reflect")
    assert torch.equal(model(image), model(by_hand)[:, :, :37, :51])


@pytest.mark.parametrize(("name", "place"), PLACES)
@pytest.mark.parametrize("operator", FACTORIES)
def test_any_operator_at_any_place(name, place, operator):
    """It is there, it runs, and every parameter of the network learns."""
    if operator == "max_unpool" and (name, place) in WANT_EQUAL_CHANNELS:
        with pytest.raises(ValueError, match="guide_channels must be the"):
            build(name, **{place: FACTORIES[operator]})
        return
    model = build(name, classes=4, **{place: FACTORIES[operator]})
    logits, auxiliary = model.forward_with_auxiliary(torch.rand(2, 3, 37, 51))
    assert logits.shape == (2, 4, 37, 51)
    loss = logits.square().sum() + (0 if auxiliary is None else auxiliary.square().sum())
    loss.backward()
    assert parameters_without_gradient(model) == []


def carafes(model):
    return sum(isinstance(module, CarafeUpsample) for module in model.modules())


@pytest.mark.parametrize(
    ("name", "place", "count"),
    [(*at, n) for at, n in zip(PLACES, (3, 2, 1, 4, 2, 2, 1, 2, 1), strict=True)],
)
def test_places_are_switched_one_by_one(name, place, count):
    assert carafes(build(name)) == 0
    assert carafes(build(name, **{place: CarafeUpsample})) == count


class RecordingUpsampler(Upsampler):
    """Bilinear; records its guide."""

    guide_channels = 3

    def forward(self, features, guide=None, size=None):
        self.guide = guide
        return interpolate(features, size, mode="bilinear")


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_an_operator_that_needs_the_image_gets_it_padded(name, place):
    model, image = build(name, **{place: RecordingUpsampler}), torch.rand(2, 3, 40, 48)
    model(image)
    for module in model.modules():
        if isinstance(module, RecordingUpsampler):
            assert torch.equal(module.guide, pad(image, (0, 0, 0, 8), mode="reflect"))


def test_the_last_step_is_from_the_finest_stride():
    model = build("semantic_fpn", last_upsampler=Nearest)
    logits = model(torch.rand(1, 3, 32, 48))
    cells = logits.unfold(2, 4, 4).unfold(3, 4, 4)
    assert model.last.scale == 4
    assert (cells == cells[..., :1, :1]).all()


def test_the_image_guides_the_last_step():
    assert (
        build(
            "upernet", last_upsampler=partial(CustomUpsampler, guide_channels=3)
        ).last.guide_channels
        == 3
    )
    assert build("upernet", last_upsampler=FACTORIES["sapa"]).last.guide_channels == 3


@every_model
def test_rough_logits_are_enlarged_bilinearly(name):
    model, image = randomise(build(name)).eval(), torch.rand(1, 3, 32, 48)
    rough = model.decode(model.pyramid(image), image)[1]
    auxiliary = model.forward_with_auxiliary(image).auxiliary
    if rough is None:
        assert auxiliary is None
    else:
        assert torch.equal(auxiliary, interpolate(rough, (32, 48), mode="bilinear"))


@every_model
def test_the_logits_hear_of_every_parameter(name):
    """A gradient that is there may be zero: a path that was cut."""
    model = randomise(build(name))
    logits, auxiliary = model.forward_with_auxiliary(torch.rand(4, 3, 64, 96))
    loss = (logits * torch.randn_like(logits)).sum()
    if auxiliary is not None:
        loss = loss + (auxiliary * torch.randn_like(auxiliary)).sum()
    loss.backward()
    deaf = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert deaf == []


def test_upernets_neck_has_batch_normalisation():
    assert sum(isinstance(m, nn.BatchNorm2d) for m in build("upernet").fpn.modules()) == 6


@pytest.mark.parametrize("level", [4, 8, 16])
@torch.inference_mode()
def test_upernets_logits_depend_on_every_level(level):
    model, image = randomise(build("upernet")).eval(), torch.rand(1, 3, 64, 96)
    features = model.pyramid(image)
    before = model.decode(features, image)[0]
    other = features | {level: torch.rand_like(features[level])}
    assert (model.decode(other, image)[0] - before).abs().max() > 1e-3 * before.abs().max()


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("semantic_fpn", "tf_efficientnet_lite0"),
        ("upernet", "resnet18"),
        ("hrnet_ocr", "hrnet_w18_small"),
    ],
)
def test_on_a_true_pyramid_every_parameter_learns(name, backbone):
    model = MODELS[name](create_pyramid(backbone, pretrained=False), 5)
    logits, auxiliary = model.forward_with_auxiliary(torch.rand(2, 3, 70, 50))
    assert logits.shape == (2, 5, 70, 50)
    (logits.sum() + (0 if auxiliary is None else auxiliary.sum())).backward()
    assert parameters_without_gradient(model) == []
