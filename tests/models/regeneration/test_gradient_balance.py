"""Gradients at predictions: measured exactly, scaled to the wanted ratio, the loss's own kept."""

import pytest
import torch
from torch import nn

from unstride.models.regeneration.gradient_balance import DECAY, GradientBalance


def backward(balance, weight=1.0, warm_in=1.0, factor=1.0):
    """A step of two losses on two predictions; returns the gradients of predictions and weight."""
    torch.manual_seed(3)
    source = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    predictions = {"a": source * 1, "b": source[:, :2] * 2}
    own = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    others = factor * (predictions["a"].square().sum() + predictions["b"].sum())
    gradients = [
        torch.autograd.grad(value, list(predictions.values()), retain_graph=True)
        for value in (others, own * (predictions["a"].sin().sum() + predictions["b"].cos().sum()))
    ]
    norms = [sum(g.square().sum() for g in one).sqrt() for one in gradients]
    for p in predictions.values():
        p.retain_grad()
    balance(predictions)  # what is called and not used changes nothing
    passed = balance(predictions, warm_in)
    loss = own * (passed["a"].sin().sum() + passed["b"].cos().sum())
    (others + loss).backward()
    return [p.grad for p in predictions.values()], gradients, norms, own.grad


def test_a_weight_scales_the_gradient_of_the_predictions_alone():
    balance = GradientBalance(None, 0.25).double()
    totals, (others, loss), norms, own = backward(balance)
    for total, other, one in zip(totals, others, loss, strict=True):
        torch.testing.assert_close(total, other + 0.25 * one)
    free = backward(GradientBalance(None, 1.0).double())[3]
    torch.testing.assert_close(own, free)
    torch.testing.assert_close(balance.measured_ratio, 0.25 * norms[1] / norms[0])


def test_the_warm_in_is_a_further_factor():
    totals, (others, loss), *_ = backward(GradientBalance(None, 0.5).double(), warm_in=0.5)
    torch.testing.assert_close(totals[0], others[0] + 0.25 * loss[0])


def test_a_ratio_is_held_once_it_was_measured():
    balance = GradientBalance(0.2).double()
    totals, (others, _), norms, _ = backward(balance)
    torch.testing.assert_close(totals[0], others[0])  # nothing is known in the first step
    torch.testing.assert_close(balance.log_quotient, (norms[0] / norms[1]).log())
    backward(balance)
    torch.testing.assert_close(balance.measured_ratio, torch.tensor(0.2, dtype=torch.float64))


def test_the_ratio_follows_the_other_losses():
    balance = GradientBalance(0.2).double()
    backward(balance)
    before = balance.log_quotient.clone()
    _, _, norms, _ = backward(balance, factor=10.0)
    expected = DECAY * before + (1 - DECAY) * (norms[0] / norms[1]).log()
    torch.testing.assert_close(balance.log_quotient, expected)
    for _ in range(80):
        backward(balance, factor=10.0)
    torch.testing.assert_close(
        balance.measured_ratio, torch.tensor(0.2, dtype=torch.float64), rtol=1e-3, atol=0
    )


def test_a_common_factor_of_all_losses_does_not_matter():
    """Loss scaling of half types and gradient accumulation multiply all gradients."""
    one, other = GradientBalance(0.2), GradientBalance(0.2)
    for balance, scale in ((one, 1.0), (other, 2.0**10)):
        source = torch.ones(3, requires_grad=True) * 1
        passed = balance({"a": source})["a"]
        (scale * (source.square().sum() + passed.sum())).backward()
    torch.testing.assert_close(one.log_quotient, other.log_quotient)


@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_an_overflow_is_forgotten(bad):
    balance = GradientBalance(0.2)
    for factor in (1.0, bad):
        source = torch.ones(3, requires_grad=True) * 1
        passed = balance({"a": source})["a"]
        (factor * (source.square().sum() + passed.sum())).backward()
    assert balance.log_quotient.isfinite()


def test_a_prediction_without_gradient_passes():
    balance = GradientBalance(0.2)
    fixed = torch.rand(3)
    assert balance({"a": fixed})["a"] is fixed


def test_the_running_mean_is_saved_and_loaded():
    balance, loaded = GradientBalance(0.2).double(), GradientBalance(0.2).double()
    backward(balance)
    loaded.load_state_dict(balance.state_dict())
    assert torch.equal(loaded.scale(), balance.scale())
    assert isinstance(balance, nn.Module)
