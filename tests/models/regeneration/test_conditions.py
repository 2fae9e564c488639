"""Conditions are bounded, do not depend on units, and are as large as the image."""

import pytest
import torch
from torch.nn.functional import interpolate

from unstride.models.regeneration.conditions import check_kinds, condition

SIZE = (4, 6)


def alone(kind, prediction, **options):
    return condition({kind: prediction}, SIZE, **options)


def test_classes_are_probabilities_of_any_temperature():
    logits = torch.randn(2, 3, *SIZE)
    torch.testing.assert_close(alone("classes", logits), logits.softmax(1))
    torch.testing.assert_close(alone("classes", logits, temperature=4.0), (logits / 4).softmax(1))


def test_units_of_depth_and_disparity_do_not_matter():
    depth = torch.rand(2, *SIZE) + 0.5
    inverse = 1 / depth
    expected = (inverse / inverse.mean((1, 2), keepdim=True))[:, None]
    for maps in (alone("depth", depth), alone("depth", 1000 * depth), alone("disparity", inverse)):
        torch.testing.assert_close(maps, expected, rtol=1e-5, atol=1e-5)


def test_depths_of_zero_stay_finite():
    assert alone("depth", torch.zeros(1, *SIZE)).isfinite().all()
    assert alone("disparity", torch.zeros(1, *SIZE)).isfinite().all()


def test_normals_have_unit_length():
    normals = torch.randn(2, 3, *SIZE)
    torch.testing.assert_close(alone("normals", 5 * normals), alone("normals", normals))
    torch.testing.assert_close(alone("normals", normals).norm(dim=1), torch.ones(2, *SIZE))


def test_offsets_are_shares_of_the_sides():
    offsets = torch.ones(1, 2, *SIZE)
    expected = torch.tensor([1 / SIZE[1], 1 / SIZE[0]])
    torch.testing.assert_close(alone("offsets", offsets)[0, :, 1, 1], expected)


def test_features_have_a_mean_square_of_one_in_each_image():
    features = torch.randn(2, 5, *SIZE) * torch.tensor([1.0, 30.0])[:, None, None, None]
    squares = alone("features", features).square().mean((1, 2, 3))
    torch.testing.assert_close(squares, torch.ones(2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["alpha", "heatmap"])
def test_alpha_and_heatmaps_stay_as_they_are(kind):
    values = torch.rand(2, *SIZE)
    assert torch.equal(alone(kind, values), values[:, None])


def test_several_predictions_follow_each_other_at_the_size_of_the_image():
    logits, normals = torch.randn(1, 3, 2, 3), torch.randn(1, 3, *SIZE)
    maps = condition({"classes": logits, "normals": normals}, SIZE)
    coarse = interpolate(logits.softmax(1), SIZE, mode="bilinear")
    torch.testing.assert_close(maps[:, :3], coarse)
    torch.testing.assert_close(maps[:, 3:], alone("normals", normals))


def test_half_types_become_float32():
    assert alone("classes", torch.randn(1, 3, *SIZE).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(("channels", "got"), [({}, "none"), ({"boxes": 4}, "boxes")])
def test_unknown_kinds_are_refused(channels, got):
    with pytest.raises(ValueError, match=f"must be among classes, .*got {got}"):
        check_kinds(channels)
