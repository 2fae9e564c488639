"""The weighted sum by hand, and where its weights come to rest."""

import math

import pytest
import torch

from unstride.losses.uncertainty_weighting import UncertaintyWeighting


def test_the_sum_by_hand():
    weighting = UncertaintyWeighting({"classes": True, "depth": False})
    losses = {"depth": torch.tensor(3.0), "classes": torch.tensor(2.0)}
    assert weighting(losses).item() == pytest.approx(2 + 3 / 2)
    with torch.no_grad():
        weighting.log_variance.copy_(torch.tensor([math.log(4), math.log(9)]))
    expected = 2 / 4 + math.log(2) + 3 / (2 * 9) + math.log(3)
    assert weighting(losses).item() == pytest.approx(expected)
    assert weighting({"depth": losses["depth"]}).item() == pytest.approx(3 / 18 + math.log(3))


def test_the_variances_come_to_rest_at_the_losses():
    weighting = UncertaintyWeighting({"classes": True, "depth": False})
    losses = {"classes": torch.tensor(0.2), "depth": torch.tensor(5.0)}
    optimizer = torch.optim.LBFGS(
        weighting.parameters(), max_iter=100, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        total = weighting(losses)
        total.backward()
        return total

    optimizer.step(closure)
    torch.testing.assert_close(
        weighting.log_variance.exp(), torch.tensor([0.4, 5.0]), rtol=1e-3, atol=0
    )


def test_gradients_reach_the_losses_with_their_weights():
    weighting = UncertaintyWeighting({"a": False, "b": True})
    a, b = torch.tensor([1.0, 1.0], requires_grad=True).unbind()
    assert [g.item() for g in torch.autograd.grad(weighting({"a": a, "b": b}), (a, b))] == [0.5, 1]


def test_losses_of_no_task_are_refused():
    weighting = UncertaintyWeighting({"a": False})
    with pytest.raises(ValueError, match="keys of losses must be among a, got c"):
        weighting({"c": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="among a, got none"):
        weighting({})
