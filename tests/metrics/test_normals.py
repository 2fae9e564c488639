"""Errors of normals against plain Python, vector by vector."""

import math
import statistics

import pytest
import torch

from unstride.metrics import NormalErrors
from unstride.metrics.normals import angular_error

NAMES = ["mean", "median", "below_11.25", "below_22.5", "below_30"]


def scene(n=3, size=(7, 9), wrong=0.4):
    target = torch.nn.functional.normalize(torch.randn(n, 3, *size), dim=1)
    prediction = target + wrong * torch.randn(n, 3, *size)
    target[:, :, :, :2] = 0
    return prediction, target


def angles_in_loops(prediction, target):
    p, t = (m.movedim(1, -1).flatten(0, 2).double().tolist() for m in (prediction, target))
    for a, b in zip(p, t, strict=True):
        if any(b):
            product = sum(x * y for x, y in zip(a, b, strict=True))
            yield math.degrees(
                math.acos(max(-1, min(1, product / math.hypot(*a) / math.hypot(*b))))
            )


@pytest.mark.parametrize("wrong", [0.1, 0.4, 3.0])
def test_the_errors_are_those_of_all_valid_pixels(wrong):
    prediction, target = scene(wrong=wrong)
    angles = list(angles_in_loops(prediction, target))
    metric = NormalErrors()
    metric.update(prediction[:1], target[:1])
    metric.update(prediction[1:], target[1:])
    found = metric.compute()
    assert list(found) == NAMES
    assert found["mean"].item() == pytest.approx(statistics.mean(angles))
    assert found["median"].item() == pytest.approx(statistics.median(angles), abs=0.0051)
    for limit in (11.25, 22.5, 30):
        share = sum(a < limit for a in angles) / len(angles)
        assert found[f"below_{limit:g}"].item() == pytest.approx(share)


def test_pixels_count_and_not_images():
    prediction, target = scene(2, wrong=0.0)
    target[0, :, 1:] = 0
    prediction[0] = -prediction[0]
    metric = NormalErrors()
    metric.update(prediction, target)
    assert metric.compute()["mean"].item() == pytest.approx(180 * 7 / (7 + 49))


@pytest.mark.parametrize("degrees", [0.0, 0.01, 1.0, 45.0, 90.0, 135.0, 180.0])
def test_angles_are_exact_even_where_they_are_tiny(degrees):
    at = math.radians(degrees)
    a = torch.tensor([1.0, 0, 0], dtype=torch.float64).view(3, 1, 1)
    b = torch.tensor([math.cos(at), math.sin(at), 0], dtype=torch.float64).view(3, 1, 1)
    assert angular_error(3 * a, b).item() == pytest.approx(degrees, abs=1e-9)


def test_a_prediction_of_zero_is_a_right_angle_off():
    target = torch.zeros(1, 3, 1, 1)
    target[:, 2] = -1
    metric = NormalErrors()
    metric.update(torch.zeros(1, 3, 1, 1), target)
    assert metric.compute()["mean"] == 90


def test_nothing_known_is_nan():
    metric = NormalErrors()
    metric.update(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
    assert all(value.isnan() for value in metric.compute().values())


def test_other_sizes_and_nan_are_refused():
    with pytest.raises(ValueError, match="same size"):
        NormalErrors().update(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 5))
    prediction, target = scene()
    prediction[0, 0, 3, 4] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        NormalErrors().update(prediction, target)
