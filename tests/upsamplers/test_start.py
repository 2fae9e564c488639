"""A fresh operator is the interpolation whose place it takes, and learns from the first step on."""

from inspect import signature

import pytest
import torch
from torch.nn.functional import interpolate

from unstride import create_upsampler, swap
from unstride.upsamplers import start as start_module
from unstride.upsamplers.by_name import UPSAMPLERS
from unstride.upsamplers.start import FLOOR, start_weights

MODES = {
    "nearest": {"mode": "nearest-exact"},
    "bilinear": {"mode": "bilinear"},
    "bilinear_aligned": {"mode": "bilinear", "align_corners": True},
}
LEARNED = [name for name, kind in UPSAMPLERS.items() if getattr(kind, "starts", ())]
CASES = [(name, mode) for name in LEARNED for mode in UPSAMPLERS[name].starts]
# At the border a transposed convolution lacks the pixels beyond it.
DARK_BORDER = {("deconv", "bilinear")}


def build(name, mode, channels=8, **options):
    parameters = signature(UPSAMPLERS[name]).parameters
    if "start" in parameters and parameters["start"].default != "identity":
        options["start"] = mode
    return create_upsampler(name, channels, 2, **options).eval()


def inputs(up, grid=(7, 9)):
    features = torch.randn(2, 8, *grid)
    guide = torch.rand(2, up.guide_channels or 3, 4 * grid[0], 4 * grid[1])
    return features, guide


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("grid", "size"),
    [((5, 7), (10, 14)), ((5, 7), (33, 29)), ((6, 5), (6, 5)), ((5, 7), (13, 7)), ((1, 1), (3, 4))],
)
@pytest.mark.parametrize("k", [3, 5])
def test_weights_without_the_floor_are_those_of_the_interpolation(mode, grid, size, k, monkeypatch):
    from unstride.ops.reference import reassemble_reference

    monkeypatch.setattr(start_module, "FLOOR", 0.0)
    features = torch.randn(2, 3, *grid, dtype=torch.float64)
    weights = start_weights(grid, size, k, mode, features).expand(2, -1, -1, -1, -1, -1)
    expected = interpolate(features, size, **MODES[mode])
    torch.testing.assert_close(reassemble_reference(features, weights.contiguous()), expected)


def test_every_tap_of_the_map_has_a_share_and_none_beyond_it():
    weights = start_weights((4, 5), (8, 10), 5, "nearest", torch.zeros(1, dtype=torch.float64))
    assert weights.shape == (1, 1, 5, 5, 8, 10)
    torch.testing.assert_close(weights.sum((2, 3)), torch.ones(1, 1, 8, 10, dtype=torch.float64))
    on_corner = weights[0, 0, :, :, 0, 0]  # the window's centre is its tap (2, 2)
    assert (on_corner[:2] == 0).all()
    assert (on_corner[:, :2] == 0).all()
    assert on_corner[3, 3].item() == pytest.approx(FLOOR / 9)
    assert on_corner[2, 2].item() == pytest.approx(1 - FLOOR + FLOOR / 9)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_it_is_the_interpolation_within_the_floor(name, mode):
    """On noise, where the other taps of the window are as different as can be."""
    up = build(name, mode)
    features, guide = inputs(up)
    out, expected = up(features, guide), interpolate(features, scale_factor=2, **MODES[mode])
    if (name, mode) in DARK_BORDER:
        out, expected = out[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2]
    assert (out - expected).norm() < 2.5 * FLOOR * expected.norm()


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_constants_stay_constant(name, mode):
    up = build(name, mode)
    _, guide = inputs(up)
    out = up(torch.ones(2, 8, 7, 9), guide)
    if (name, mode) in DARK_BORDER:
        out = out[..., 2:-2, 2:-2]
    torch.testing.assert_close(out, torch.ones_like(out), rtol=0, atol=0.03)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_first_step_reaches_every_parameter(name, mode):
    up = build(name, mode).train()
    features, guide = inputs(up)
    target = torch.randn(2, 8, 14, 18)
    (up(features, guide) - target).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in up.parameters())


@pytest.mark.parametrize("name", ["carafe", "fade", "sapa", "a2u"])
def test_the_first_step_reaches_every_tap(name):
    """The gradient of every tap's logit is above zero by far more than rounding."""
    up = build(name, "nearest", kernel_size=3)
    features, guide = torch.randn(2, 8, 7, 9), torch.rand(2, up.guide_channels or 3, 14, 18)
    weights = up.predict_weights(features, guide, (14, 18)).detach()
    inner = weights[..., 4:-4, 4:-4]
    assert inner.min() > FLOOR / 9 / 3


@pytest.mark.parametrize("name", ["carafe", "pixel_shuffle", "deconv", "a2u", "spatial_attention"])
def test_the_published_start_is_another(name):
    up = create_upsampler(name, 8, 2, start="published")
    features, guide = inputs(up)
    out, expected = up(features, guide), interpolate(features, scale_factor=2, mode="bilinear")
    assert (out - expected).norm() > 0.2 * expected.norm()


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.Upsample(scale_factor=2, mode="nearest"),
        torch.nn.Conv2d(8, 8, 3, 2, 1),
        torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        torch.nn.Conv2d(8, 4, 1),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("name", ["carafe", "a2u"])
def test_a_swap_keeps_the_answers_of_the_network(name):
    image = torch.rand(2, 3, 24, 32)
    model = network()
    before = model(image)
    swap(model, name, example=image)
    assert [up[0].start for up in (model[1].unstride_up, model[3].unstride_up)] == [
        "nearest",
        "bilinear_aligned",
    ]
    assert (model(image) - before).norm() < 0.02 * before.norm()
    published = swap(network(), name, example=image, start="published")
    assert (published(image) - before).norm() > (model(image) - before).norm()
