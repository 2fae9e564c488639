"""A fit: it finds what is known, beats bilinear, and ends when it should."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from tests.features.known_features import TINY_FIT, CellMeanBackbone, colour_patches
from unstride import DenseFeatures, create_backbone, create_upsampler
from unstride.losses.featup import magnitude_tv_loss
from unstride.features import implicit_fit
from unstride.features.components import PrincipalComponents
from unstride.features.implicit import ImageNetwork, fit_implicit
from unstride.features.implicit_fit import ImageFit, FitRecord
from unstride.features.implicit_options import VARIANTS, ImplicitOptions


@pytest.fixture
def backbone():
    return CellMeanBackbone()


def test_the_seed_decides_and_no_random_state_is_changed(backbone):
    before = torch.get_rng_state()
    first, again = (fit_implicit(backbone, colour_patches(), **TINY_FIT) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(5)
    third = fit_implicit(backbone, colour_patches(), **TINY_FIT)
    other = fit_implicit(backbone, colour_patches(), **TINY_FIT, seed=1)
    assert first.records == again.records == third.records
    assert first.records != other.records
    state = first.state_dict()
    assert all(torch.equal(state[k], v) for k, v in again.state_dict().items())


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
@pytest.mark.parametrize("size", [(48, 64), (45, 61)], ids=str)
def test_it_finds_the_features_that_the_cells_are_averages_of(size, downsampler):
    """The edges of patches lie anywhere in the cells; so it must look where views look."""
    backbone, image = CellMeanBackbone(multiple=16), colour_patches(*size)
    options = {"steps": 120, "views": 40, "kernel": 1, "downsampler": downsampler}
    fitted = fit_implicit(backbone, image, **(TINY_FIT | options))
    bilinear = DenseFeatures(backbone, create_upsampler("bilinear", 6, 8))
    truth = backbone.truth(image)
    error, usual = (
        (model(image) - truth).square().mean()
        for model in (DenseFeatures(backbone, fitted), bilinear)
    )
    assert error < 0.7 * usual


def test_it_beats_bilinear_on_a_photograph():
    data = pytest.importorskip("skimage.data", reason="the extra 'demo' is not installed")
    photo = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None, :, :150, 150:330] / 255
    fitted = fit_implicit(
        create_backbone(stride=16), photo, **TINY_FIT | {"views": 32, "held_out": 8, "components": 64}
    )
    record = fitted.records[0]
    assert record.curve[0][1] < 1.1 * record.bilinear  # where it starts
    assert record.error < 0.9 * record.bilinear


def test_before_it_learns_it_is_bilinear(backbone):
    image = torch.cat([colour_patches(), colour_patches(seed=1)])
    fitted = fit_implicit(backbone, image, **TINY_FIT, learning_rate=0)
    bilinear = create_upsampler("bilinear", 6, 8)
    features = backbone(image)
    assert torch.equal(fitted(features, image, (30, 90)), bilinear(features, size=(30, 90)))
    assert fitted.scale == 8


def test_it_ends_when_patience_does_and_keeps_the_best(backbone, monkeypatch):
    record = fit_implicit(
        backbone, colour_patches(), **TINY_FIT | {"steps": 1000}, learning_rate=0, patience=3
    ).records[0]
    assert [step for step, _ in record.curve] == [0, 20, 40, 60]

    errors, states = iter([1.0, 0.9, 0.8999, 0.92, 0.91, 0.5]), []
    monkeypatch.setattr(
        ImageFit, "error", lambda self: (states.append(self.state()), next(errors))[1]
    )
    fitted = fit_implicit(backbone, colour_patches(), **TINY_FIT | {"steps": 1000}, patience=3)
    record = fitted.records[0]
    assert [error for _, error in record.curve] == [1.0, 0.9, 0.8999, 0.92, 0.91]
    assert record.error == 0.8999  # too little to wait on, but the lowest
    kept = {k: v for k, v in states[2].items() if k.startswith("0.")}
    for name, tensor in fitted.images[0].network.state_dict().items():
        assert torch.equal(tensor, kept[f"0.{name}"])


def prepared(backbone, **options):
    """A fit that has looked through its views and not learned yet."""
    torch.manual_seed(0)
    fit = ImageFit(backbone.eval(), colour_patches(), ImplicitOptions(**TINY_FIT | options), 0)
    fit.look(lambda *_: None)
    fit.build()
    return fit


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0.5, 0.5)], ids=str)
def test_what_it_adds_to_is_bilinear_at_the_same_pixels(corner, backbone):
    fit = prepared(backbone)
    every = create_upsampler("bilinear", 6, 8)(fit.coarse)
    y, x = (int(first) for first in corner)
    expected = every[:, :, y::2, x::2]
    if corner == (0.5, 0.5):
        expected = avg_pool2d(every, 2)
    inner = (..., slice(2, -2), slice(2, -2))  # near the border bilinear has a kink
    atol = 2e-5 if corner != (0.5, 0.5) else 0.2  # an average over a kink is not the value there
    torch.testing.assert_close(fit.bilinear(corner)[inner], expected[inner], rtol=0, atol=atol)


@pytest.mark.parametrize("start", ["bilinear", "nothing"])
def test_what_is_learned_is_what_is_given(start, backbone):
    """The map that the views judge is the result, at the same pixels."""
    fit = prepared(backbone, start=start)
    fit.learned.eval()
    for parameter in fit.network.network[-1].parameters():
        torch.nn.init.normal_(parameter)  # the start is zero, and would say nothing
    one = ImageNetwork(fit.network, fit.components, start == "bilinear", FitRecord(1.0, 1.0))
    given = fit.components(one(backbone(fit.image), fit.image, fit.frame))
    learned, corner = fit.render((1, 0))
    inner = (..., slice(2, -2), slice(2, -2))  # near the border bilinear has a kink
    assert corner == (1, 0)
    torch.testing.assert_close(learned[inner], given[:, :, 1::2, 0::2][inner], rtol=1e-4, atol=1e-4)


def test_the_error_is_that_of_the_views_held_out_without_dropout(backbone):
    fit = prepared(backbone, start="nothing", dropout=0.5)
    error = fit.error()
    assert fit.error() == error
    assert fit.network.training
    held = fit.answers[12:]
    fit.answers = torch.cat([torch.zeros_like(fit.answers[:12]), held])
    assert fit.error() == error
    fit.answers = torch.cat([fit.answers[:12], held + 1])
    assert fit.error() != error


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
def test_the_gradient_reaches_every_parameter(downsampler, backbone):
    fit = prepared(backbone, downsampler=downsampler, start="nothing", pin=0.1)
    fit.loss().backward()
    for name, parameter in fit.learned.named_parameters():
        if downsampler == "attention_pool" and name == "1.saliency.1.bias":
            continue  # scaled by a gain that is nearly the same for all taps: tiny by nature
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert all(p.grad is None for p in backbone.parameters())


def test_the_prior_and_the_pin_are_in_the_loss(backbone):
    losses = []
    for options in ({"smoothness": 0.0}, {"smoothness": 2.0}, {"smoothness": 0.0, "pin": 2.0}):
        fit = prepared(backbone, **options, start="nothing", dropout=0.0)
        torch.manual_seed(1)
        losses.append(fit.loss())
        torch.manual_seed(1)
        torch.randint(12, (3,))
        fine, _ = fit.render(torch.randint(fit.step, (2,)).tolist())
    variation = magnitude_tv_loss(fine)
    torch.testing.assert_close(losses[1] - losses[0], 2 * variation, rtol=1e-3, atol=1e-4)
    pinned = (implicit_fit.gaussian_blur(fine) - fine).square().mean()
    torch.testing.assert_close(losses[2] - losses[0], 2 * pinned, rtol=1e-3, atol=1e-4)


def test_all_components_say_all_and_few_the_most():
    features = torch.randn(2, 6, 9, 8) * torch.logspace(-1, 2, 6)[:, None, None] + 5
    features[:, 1] += features[:, 0]
    all_of_them, three = PrincipalComponents(features, 6), PrincipalComponents(features, 3)
    torch.testing.assert_close(all_of_them.back(all_of_them(features)), features)
    torch.testing.assert_close(all_of_them(features).square().mean(), torch.tensor(1.0))
    centred = all_of_them.back(all_of_them(features), centred=True)
    torch.testing.assert_close(centred, features - features.mean((0, 2, 3), keepdim=True))
    assert abs(all_of_them.kept - 1) < 1e-6
    std = features.std((0, 2, 3), keepdim=True)
    lost = (three.back(three(features)) - features) / std
    n = features.shape[0] * 72
    assert three.kept == pytest.approx(1 - lost.square().sum().item() / ((n - 1) * 6), abs=1e-5)
    together = torch.corrcoef(features.movedim(1, -1).flatten(0, 2).T)
    most = torch.linalg.eigvalsh(together)[-3:].sum().item() / 6
    assert three.kept == pytest.approx(most, abs=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_learn(variant, backbone):
    record = fit_implicit(backbone, colour_patches(), variant=variant, **TINY_FIT).records[0]
    assert record.curve[-1][1] < record.curve[0][1]


def test_the_comb_fits_the_frame_and_is_bounded():
    assert implicit_fit.map_step(32, (384, 480), 8) == 4
    assert implicit_fit.map_step(14, (392, 392), 8) == 2
    assert implicit_fit.map_step(8, (64, 64), 8) == 1
    assert implicit_fit.map_step(32, (1536, 2048), 8) == 8
    assert implicit_fit.map_step(4, (1536, 2048), 8) == 4
