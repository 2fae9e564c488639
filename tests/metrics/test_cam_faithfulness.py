"""Average drop, increase and gain against their formulas in plain Python."""

import math

import pytest
import torch

from unstride.metrics import cam_faithfulness


def test_by_hand():
    # drops by 1/4 and 1/1; one increase, by 0.3 of 0.6; one unchanged
    whole, masked = torch.tensor([0.8, 0.5, 0.4, 0.3]), torch.tensor([0.6, 0.0, 0.7, 0.3])
    scores = cam_faithfulness(whole, masked)
    expected = {"average_drop": 125 / 4, "average_increase": 25.0, "average_gain": 50 / 4}
    assert list(scores) == list(expected)
    for name, value in expected.items():
        # inputs are float32: relative 2^-24 of numbers near one, a few of them, in percent
        assert abs(scores[name].item() - value) < 1e-4


def test_random_scores_by_the_formulas():
    whole, masked = torch.rand(2, 50, dtype=torch.float64)
    pairs = list(zip(whole.tolist(), masked.tolist(), strict=True))
    expected = {
        "average_drop": sum(max(0, y - o) / y for y, o in pairs),
        "average_increase": sum(o > y for y, o in pairs),
        "average_gain": sum(max(0, o - y) / (1 - y) for y, o in pairs),
    }
    for name, value in cam_faithfulness(whole, masked).items():
        assert math.isclose(value.item(), 100 * expected[name] / 50, rel_tol=1e-12)


def test_the_ends_of_the_range():
    scores = cam_faithfulness(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    assert [v.item() for v in scores.values()] == [0, 0, 0]
    scores = cam_faithfulness(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))
    assert [v.item() for v in scores.values()] == [50, 50, 50]


def test_no_image_has_no_scores():
    assert all(math.isnan(v) for v in cam_faithfulness(torch.zeros(0), torch.zeros(0)).values())


@pytest.mark.parametrize(("whole", "masked", "message"), [
    ([0.5], [0.5, 0.5], "1 and 2"), ([1.5], [0.5], "^probability .* got 1.5"),
    ([0.5], [-0.1], "masked_probability"), ([math.nan], [0.5], "^probability"),
])  # fmt: skip
def test_what_is_no_probability_is_refused(whole, masked, message):
    with pytest.raises(ValueError, match=message):
        cam_faithfulness(torch.tensor(whole), torch.tensor(masked))
