"""What a footprint must be: known coefficients, products of stages, direct Jacobians."""

import pytest
import torch
from torch import nn

from tests.upsamplers.test_every_upsampler import CHANNELS, VARIANTS, build, randomise_weights
from unstride import create_upsampler, footprint, list_upsamplers
from unstride.analysis import jacobian as jacobian_rows
from unstride.analysis.footprint import record_maps, trace_pixel
from unstride.analysis.freeze import frozen_predictions
from unstride.upsamplers import CarafeUpsample, Cascade, Upsampler, featup_jbu

MIX = {"nearest_conv", "bilinear_conv", "deconv", "pixel_shuffle", "featup_jbu paper"}
GROUPS = {
    "dysample", "dysample pl", "index", "index one-to-one", "max_unpool", "naf", "carafe groups",
}  # fmt: skip
AT, SIZE = (7, 5), (11, 15)
every = pytest.mark.parametrize("name", [*list_upsamplers(), *VARIANTS])


def random_inputs(up):
    return torch.randn(1, CHANNELS, 5, 7), torch.rand(1, up.guide_channels or 3, 40, 56)


def jacobian(up, features, guide, at, size):
    """d out[i, at] / d in[j, cell], one row after the other."""
    features = features.clone().requires_grad_()
    with frozen_predictions(up):
        pixel = up(features, guide, size)[0, :, at[1], at[0]]
    rows = [torch.autograd.grad(p, features, retain_graph=True)[0][0] for p in pixel]
    return torch.stack(rows)


@every
def test_it_is_the_jacobian(name):
    up = randomise_weights(build(name))
    features, guide = random_inputs(up)
    whole = jacobian(up, features, guide, AT, SIZE)
    own = whole.diagonal().movedim(-1, 0)
    traced = footprint(up, features, guide, at=AT, size=SIZE)
    assert traced.mixes_channels == (name in MIX)
    assert traced.weights.shape == (5, 7)
    if traced.mixes_channels:
        expected = whole.square().sum((0, 1)).sqrt() / CHANNELS**0.5
    else:
        assert (whole.sum(0) - own).abs().max() < 1e-6
        assert (own.std(0).max() > 1e-3) == (name in GROUPS)
        expected = own.mean(0)
    torch.testing.assert_close(traced.weights, expected)
    assert traced.weights.abs().sum() > 0


@every
def test_applied_to_the_features_it_gives_the_pixel(name):
    if name in MIX | GROUPS:
        return  # channels have weights of their own
    up = randomise_weights(build(name))
    features, guide = random_inputs(up)
    traced = footprint(up, features, guide, at=AT, size=SIZE)
    out = up(features, guide, SIZE)[0, :, AT[1], AT[0]].detach()
    if name == "fade":  # what lacks to one comes from the guide
        gate = up.predict_gate(features, SIZE)[0, 0, AT[1], AT[0]].detach()
        torch.testing.assert_close(1 - traced.weight_sum, float(gate), rtol=0, atol=1e-5)
        at_pixel = torch.nn.functional.adaptive_avg_pool2d(guide, SIZE)[0, :, AT[1], AT[0]]
        out = out - gate * at_pixel
    torch.testing.assert_close((traced.weights * features[0]).sum((1, 2)), out)


def test_bilinear_has_the_coefficients_of_the_textbook():
    up = create_upsampler("bilinear", 3, 2)
    weights = footprint(up, torch.randn(1, 3, 4, 5), at=(3, 6)).weights
    expected = torch.zeros(4, 5)  # x = 3.5 / 2 - 0.5 = 1.25, y = 6.5 / 2 - 0.5 = 2.75
    expected[2, 1], expected[2, 2] = 0.25 * 0.75, 0.25 * 0.25
    expected[3, 1], expected[3, 2] = 0.75 * 0.75, 0.75 * 0.25
    torch.testing.assert_close(weights, expected)


def test_nearest_has_one_cell():
    traced = footprint(create_upsampler("nearest", 3, 4), torch.randn(1, 3, 4, 5), at=(18, 3))
    assert traced.strongest_cells() == [(4, 0, 1.0)]
    assert traced.weight_sum == 1
    assert not traced.stages


def test_untrained_carafe_is_a_box():
    up = create_upsampler("carafe", 8, start="published")
    nn.init.zeros_(up.content_encoder.weight)
    weights = footprint(up, torch.randn(1, 8, 9, 11), at=(13, 8)).weights
    expected = torch.zeros(9, 11)
    expected[2:7, 4:9] = 1 / 25
    torch.testing.assert_close(weights, expected)


@pytest.mark.parametrize("name", ["carafe", "bilinear", "sapa", "featup_jbu"])
def test_a_cascade_is_the_product_of_its_stages(name):
    up = randomise_weights(create_upsampler(name, CHANNELS, 4, stages=2)).eval()
    features, guide = torch.randn(1, CHANNELS, 5, 7), torch.rand(1, up.guide_channels or 3, 20, 28)
    traced = footprint(up, features, guide, at=(11, 9))
    last = traced.stages["after upsamplers.0"]
    assert last.weights.shape == (10, 14)
    first, second = up.upsamplers
    middle = first(features, guide, (10, 14)).detach()
    torch.testing.assert_close(
        last.weights, footprint(second, middle, guide, at=(11, 9), size=(20, 28)).weights
    )
    assert len(traced.stages) == (5 if name == "featup_jbu" else 1)  # those of both
    product = torch.zeros(5, 7)
    for x, y, weight in last.strongest_cells(140):
        product += weight * footprint(first, features, guide, at=(x, y), size=(10, 14)).weights
    torch.testing.assert_close(traced.weights, product, rtol=1e-4, atol=1e-6)


def test_stacks_show_their_grids():
    guide = torch.rand(1, 3, 64, 96)
    up = featup_jbu(2, 16).eval()
    traced = footprint(up, torch.randn(1, 2, 4, 6), guide, at=(50, 30), size=(64, 96))
    assert {n: tuple(s.weights.shape) for n, s in traced.stages.items()} == {
        "after coarse": (16, 24),
        "before fine": (16, 24),
    }
    near, far = traced.stages["before fine"], traced.stages["after coarse"]
    for one in (traced, near, far):
        assert abs(one.weight_sum - 1) < 1e-5
    assert (near.weights != 0).sum() <= 25 < (far.weights != 0).sum()
    up = featup_jbu(2, 8, variant="paper").eval()
    traced = footprint(up, torch.randn(1, 2, 4, 6), guide, at=(50, 30), size=(64, 96))
    shapes = [tuple(s.weights.shape) for s in traced.stages.values()]
    assert shapes == [(8, 12), (16, 24), (32, 48)]


def test_what_a_stack_returns_has_its_name():
    nested = Cascade(create_upsampler("bilinear", 2, 4, stages=2), create_upsampler("bilinear", 2))
    traced = footprint(nested, torch.randn(1, 2, 4, 4), at=(9, 9))
    grids = {name: len(stage.weights) for name, stage in traced.stages.items()}
    assert grids == {"after upsamplers.0.upsamplers.0": 8, "after upsamplers.0": 16}


class Pyramid(nn.Module):
    """Two merges from the top, as in a feature pyramid network."""

    def __init__(self):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, 6, 1) for c in (3, 4, 5))
        self.up = nn.ModuleList(CarafeUpsample(6) for _ in range(2))

    def forward(self, fine, middle, coarse):
        fine, middle, coarse = (
            conv(x) for conv, x in zip(self.lateral, (fine, middle, coarse), strict=True)
        )
        return fine + self.up[1](middle + self.up[0](coarse))


@pytest.mark.parametrize("trained", [True, False])
def test_through_a_pyramid_of_your_own(trained):
    torch.manual_seed(1)
    model = randomise_weights(Pyramid()).requires_grad_(trained)
    maps = torch.randn(1, 3, 16, 16), torch.randn(1, 4, 8, 8), torch.randn(1, 5, 4, 4)
    with frozen_predictions(model), record_maps(model) as maps_by_name:
        out = model(*maps)
    traced = trace_pixel(out[0, :, 9, 6], maps_by_name)
    grids = {"before up.0": 4, "after up.0": 8, "before up.1": 8, "after up.1": 16}
    assert {name: len(f.weights) for name, f in traced.items()} == grids
    assert traced["after up.1"].strongest_cells() == [(6, 9, 1.0)]
    assert not traced["before up.0"].mixes_channels
    second = model.up[1].predict_weights(maps_by_name["before up.1"], None, (16, 16))
    second = second[0, 0, :, :, 9, 6]
    torch.testing.assert_close(traced["before up.1"].weights[2:7, 1:6], second.detach())
    first = model.up[0].predict_weights(maps_by_name["before up.0"], None, (8, 8)).detach()
    expected = torch.zeros(8, 8)  # the 4 x 4 grid with two cells around it
    for x, y, weight in traced["before up.1"].strongest_cells(25):
        expected[y // 2 : y // 2 + 5, x // 2 : x // 2 + 5] += weight * first[0, 0, :, :, y, x]
    torch.testing.assert_close(traced["before up.0"].weights, expected[2:6, 2:6])


def test_channels_that_change_in_number_are_mixed():
    conv = nn.Conv2d(5, 3, 1, bias=False)
    features = torch.randn(1, 5, 4, 4, requires_grad=True)
    traced = trace_pixel(conv(features)[0, :, 2, 1], {"here": features})["here"]
    assert traced.mixes_channels
    expected = torch.zeros(4, 4)
    expected[2, 1] = conv.weight.detach().norm() / 3**0.5
    torch.testing.assert_close(traced.weights, expected)


def test_a_mixing_that_hides_from_a_sum_is_found():
    """Columns that sum to nothing, as a channel less the next; and one stray coupling."""
    features = torch.randn(1, 4, 3, 3, requires_grad=True)
    pixel = (features - features.roll(1, 1))[0, :, 1, 1]
    assert trace_pixel(pixel, {"it": features})["it"].mixes_channels
    stray = features + 0
    stray[:, 3] += 0.01 * features[:, 2]
    assert trace_pixel(stray[0, :, 1, 1], {"it": features})["it"].mixes_channels


@pytest.mark.parametrize("at", [(10, 0), (0, 8), (-1, 3), (3, -1)])
def test_points_outside_are_refused(at):
    with pytest.raises(ValueError, match=rf"inside the output of 10x8, got {at[0]},{at[1]}"):
        footprint(create_upsampler("nearest", 3), torch.randn(1, 3, 4, 5), at=at)


def test_what_cannot_be_traced_is_refused():
    up = create_upsampler("nearest", 3)
    with pytest.raises(ValueError, match="features must be of one image"):
        footprint(up, torch.randn(2, 3, 4, 5), at=(0, 0))
    with pytest.raises(ValueError, match="pixel must depend on the maps"):
        trace_pixel(torch.randn(3), {"it": torch.randn(1, 3, 4, 4)})


def test_nothing_is_left_behind():
    up = randomise_weights(create_upsampler("carafe", 4, 4, stages=2)).eval()
    features = torch.randn(1, 4, 5, 5)
    before = up(features)
    with torch.no_grad():
        assert footprint(up, features, at=(9, 9)).weight_sum > 0.5
    assert not features.requires_grad
    assert all(p.grad is None for p in up.parameters())
    for module in up.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert torch.equal(up(features), before)


class Uneven(Upsampler):
    """Mixes channels, more to the right: it predicts nothing, and yet places differ."""

    def __init__(self, channels):
        super().__init__(channels, 2)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features, guide=None, size=None):
        """A convolution times a ramp."""
        fine = nn.functional.interpolate(features, self.output_size(features, size))
        return self.conv(fine * torch.arange(fine.shape[3]))


@pytest.mark.parametrize("make", ["deconv", "bilinear_conv", "pixel_shuffle", Uneven])
def test_rows_near_the_pixel_are_those_of_the_whole_map(make, monkeypatch):
    parts = [create_upsampler(make, 4) if isinstance(make, str) else make(4) for _ in range(3)]
    up = randomise_weights(Cascade(*parts)).eval()
    calls = []
    original = jacobian_rows.backpropagate_patch

    def counted(call, *rest):
        calls.append(call)
        return original(call, *rest)

    monkeypatch.setattr(jacobian_rows, "backpropagate_patch", counted)
    monkeypatch.setattr(jacobian_rows, "MAX_ELEMENTS", 4 * 12 * 12 * 3)  # several chunks
    features = torch.randn(1, 4, 6, 7)
    for at in ((0, 0), (29, 22), (55, 47)):
        traced = footprint(up, features, at=at)
        whole = jacobian(up, features, None, at, None)
        expected = whole.square().sum((0, 1)).sqrt() / 2
        torch.testing.assert_close(traced.weights, expected, rtol=1e-4, atol=1e-6)
        assert traced.mixes_channels
    assert len(calls) >= 3


def test_rows_near_the_pixel_spare_the_whole_map(monkeypatch):
    up = randomise_weights(create_upsampler("deconv", 4, 8, stages=3)).eval()
    outputs = []
    grad = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *args, **rest: outputs.append(args[0]) or grad(*args, **rest)
    )
    footprint(up, torch.randn(1, 4, 20, 20), at=(77, 80))
    assert len(outputs) == 2 + 3  # two sums, then each stage once
    assert all(fine.shape[-1] <= 12 for fine in outputs[2:])
