"""A fit: it finds what is known, beats bilinear, and ends when it should."""

from copy import deepcopy

import pytest
import torch
from torch.nn.functional import avg_pool2d

from tests.features.known_features import TINY_FIT, CellMeanBackbone, colour_patches
from unstride import DenseFeatures, create_backbone, create_upsampler
from unstride.features import implicit_objective
from unstride.features.components import PrincipalComponents
from unstride.features.fitted_implicit import ImageNetwork
from unstride.features.implicit import fit_implicit
from unstride.features.implicit_fit import FitRecord
from unstride.features.implicit_objective import MultiViewObjective, map_step
from unstride.features.implicit_options import VARIANTS, ImplicitOptions
from unstride.losses.featup import magnitude_tv_loss


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
    assert first.fit_records == again.fit_records == third.fit_records
    assert first.fit_records != other.fit_records
    state = first.state_dict()
    assert all(torch.equal(state[k], v) for k, v in again.state_dict().items())


def test_images_of_other_kinds_are_converted(backbone):
    pixels = (255 * colour_patches()).byte()
    arrays = pixels.permute(0, 2, 3, 1).numpy()
    options = TINY_FIT | {"steps": 2}
    first, second = (fit_implicit(backbone, image, **options) for image in (pixels / 255, arrays))
    assert first.fit_records == second.fit_records
    with pytest.raises(ValueError, match=r"^images must be a tensor, .* got a str"):
        fit_implicit(backbone, "photo.jpg", **options)


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
@pytest.mark.parametrize("size", [(48, 64), (45, 61)], ids=str)
def test_it_finds_the_features_that_the_cells_are_averages_of(size, downsampler):
    """The edges of patches lie anywhere in the cells; so it must look where views look."""
    backbone, image = CellMeanBackbone(multiple=16), colour_patches(*size)
    options = {"steps": 120, "views": 40, "kernel_cells": 1, "downsampler": downsampler}
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
        create_backbone(stride=16),
        photo,
        **TINY_FIT | {"views": 32, "held_out": 8, "components": 64},
    )
    record = fitted.fit_records[0]
    assert record.error_curve[0][1] < 1.1 * record.bilinear_error  # where it starts
    assert record.best_error < 0.9 * record.bilinear_error


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
    ).fit_records[0]
    assert [step for step, _ in record.error_curve] == [0, 20, 40, 60]

    errors, states = iter([1.0, 0.9, 0.8999, 0.92, 0.91, 0.5]), []
    monkeypatch.setattr(
        MultiViewObjective,
        "held_out_error",
        lambda self: (states.append(deepcopy(self.trainable.state_dict())), next(errors))[1],
    )
    fitted = fit_implicit(backbone, colour_patches(), **TINY_FIT | {"steps": 1000}, patience=3)
    record = fitted.fit_records[0]
    assert [error for _, error in record.error_curve] == [1.0, 0.9, 0.8999, 0.92, 0.91]
    assert record.best_error == 0.8999  # too little to wait on, but the lowest
    kept = {k: v for k, v in states[2].items() if k.startswith("0.")}
    for name, tensor in fitted.images[0].network.state_dict().items():
        assert torch.equal(tensor, kept[f"0.{name}"])


def prepared(backbone, **options):
    """An objective that has the features of its views and has not learned yet."""
    torch.manual_seed(0)
    objective = MultiViewObjective(
        backbone.eval(), colour_patches(), ImplicitOptions(**TINY_FIT | options), 0
    )
    objective.extract_view_features(lambda *_: None)
    objective.build_modules()
    return objective


@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (0.5, 0.5)], ids=str)
def test_what_it_adds_to_is_bilinear_at_the_same_pixels(offset, backbone):
    objective = prepared(backbone)
    every = create_upsampler("bilinear", 6, 8)(objective.image_features)
    y, x = (int(first) for first in offset)
    expected = every[:, :, y::2, x::2]
    if offset == (0.5, 0.5):
        expected = avg_pool2d(every, 2)
    inner = (..., slice(2, -2), slice(2, -2))  # near the border bilinear has a kink
    atol = 2e-5 if offset != (0.5, 0.5) else 0.2  # an average over a kink is not the value there
    torch.testing.assert_close(
        objective.bilinear_map(offset)[inner], expected[inner], rtol=0, atol=atol
    )


@pytest.mark.parametrize("base", ["bilinear", "nothing"])
def test_what_is_learned_is_what_is_given(base, backbone):
    """The map that the views judge is the result, at the same pixels."""
    objective = prepared(backbone, base=base)
    objective.trainable.eval()
    for parameter in objective.network.network[-1].parameters():
        torch.nn.init.normal_(parameter)  # the start is zero, and would say nothing
    network = ImageNetwork(
        objective.network, objective.components, base == "bilinear", FitRecord(1.0, 1.0)
    )
    given = objective.components(
        network(backbone(objective.image), objective.image, objective.padded_size)
    )
    learned, offset = objective.render((1, 0))
    inner = (..., slice(2, -2), slice(2, -2))  # near the border bilinear has a kink
    assert offset == (1, 0)
    torch.testing.assert_close(learned[inner], given[:, :, 1::2, 0::2][inner], rtol=1e-4, atol=1e-4)


def test_the_error_is_that_of_the_views_held_out_without_dropout(backbone):
    objective = prepared(backbone, base="nothing", dropout=0.5)
    error = objective.held_out_error()
    assert objective.held_out_error() == error
    assert objective.network.training
    held = objective.view_features[12:]
    objective.view_features = torch.cat([torch.zeros_like(objective.view_features[:12]), held])
    assert objective.held_out_error() == error
    objective.view_features = torch.cat([objective.view_features[:12], held + 1])
    assert objective.held_out_error() != error


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
def test_the_gradient_reaches_every_parameter(downsampler, backbone):
    objective = prepared(backbone, downsampler=downsampler, base="nothing", blur_weight=0.1)
    objective.loss().backward()
    for name, parameter in objective.trainable.named_parameters():
        if downsampler == "attention_pool" and name == "1.saliency.1.bias":
            continue  # scaled by a gain that is nearly the same for all taps: tiny by nature
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert all(p.grad is None for p in backbone.parameters())


def test_the_prior_and_the_pin_are_in_the_loss(backbone):
    losses = []
    for options in (
        {"smoothness": 0.0},
        {"smoothness": 2.0},
        {"smoothness": 0.0, "blur_weight": 2.0},
    ):
        objective = prepared(backbone, **options, base="nothing", dropout=0.0)
        torch.manual_seed(1)
        losses.append(objective.loss())
        torch.manual_seed(1)
        torch.randint(12, (3,))
        fine, _ = objective.render(tuple(torch.randint(objective.map_step, (2,)).tolist()))
    variation = magnitude_tv_loss(fine)
    torch.testing.assert_close(losses[1] - losses[0], 2 * variation, rtol=1e-3, atol=1e-4)
    blur_penalty = (implicit_objective.gaussian_blur(fine) - fine).square().mean()
    torch.testing.assert_close(losses[2] - losses[0], 2 * blur_penalty, rtol=1e-3, atol=1e-4)


def test_all_components_say_all_and_few_the_most():
    features = torch.randn(2, 6, 9, 8) * torch.logspace(-1, 2, 6)[:, None, None] + 5
    features[:, 1] += features[:, 0]
    all_of_them, three = PrincipalComponents(features, 6), PrincipalComponents(features, 3)
    torch.testing.assert_close(all_of_them.inverse(all_of_them(features)), features)
    torch.testing.assert_close(all_of_them(features).square().mean(), torch.tensor(1.0))
    centred = all_of_them.inverse(all_of_them(features), centred=True)
    torch.testing.assert_close(centred, features - features.mean((0, 2, 3), keepdim=True))
    assert abs(all_of_them.explained_variance_ratio - 1) < 1e-6
    std = features.std((0, 2, 3), keepdim=True)
    lost = (three.inverse(three(features)) - features) / std
    n = features.shape[0] * 72
    assert three.explained_variance_ratio == pytest.approx(
        1 - lost.square().sum().item() / ((n - 1) * 6), abs=1e-5
    )
    together = torch.corrcoef(features.movedim(1, -1).flatten(0, 2).T)
    most = torch.linalg.eigvalsh(together)[-3:].sum().item() / 6
    assert three.explained_variance_ratio == pytest.approx(most, abs=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_learn(variant, backbone):
    record = fit_implicit(backbone, colour_patches(), variant=variant, **TINY_FIT).fit_records[0]
    assert record.error_curve[-1][1] < record.error_curve[0][1]


def test_the_comb_fits_the_frame_and_is_bounded():
    assert map_step(32, (384, 480), 8) == 4
    assert map_step(14, (392, 392), 8) == 2
    assert map_step(8, (64, 64), 8) == 1
    assert map_step(32, (1536, 2048), 8) == 8
    assert map_step(4, (1536, 2048), 8) == 4
