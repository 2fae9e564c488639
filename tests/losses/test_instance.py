"""Losses of whole images: their formulas, their extremes, and where gradients go."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from unstride.losses.instance import byol_loss, simclr_loss


def test_byol_is_the_squared_distance_of_unit_vectors_less_two():
    a, b = torch.randn(5, 7), torch.randn(5, 7)
    distance = (normalize(a, dim=1) - normalize(b, dim=1)).square().sum(1).mean()
    torch.testing.assert_close(byol_loss(a, b), distance - 2)
    torch.testing.assert_close(byol_loss(a, 3 * a), torch.tensor(-2.0))


def test_simclr_tells_images_apart():
    alike = torch.ones(4, 6)
    assert simclr_loss(alike, alike).item() == pytest.approx(math.log(4))
    assert simclr_loss(torch.eye(4), torch.eye(4), temperature=0.01) < 1e-6


@pytest.mark.parametrize("loss", [byol_loss, simclr_loss])
def test_no_gradient_reaches_the_targets(loss):
    a, b = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    loss(a, b).backward()
    assert a.grad.abs().sum() > 0
    assert b.grad is None
