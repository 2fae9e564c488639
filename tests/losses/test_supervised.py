"""Losses with labels by hand, over the known pixels alone."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from unstride.formats.labels import UNLABELLED
from unstride.losses.supervised import cosine_loss, pixel_cross_entropy, scale_invariant_log_loss


def test_the_scale_invariant_error_by_hand():
    prediction = torch.tensor([[[math.e, 1.0, 7.0]]])
    target = torch.tensor([[[1.0, math.e**3, 0.0]]])  # differences 1 and -3; one is unknown
    assert scale_invariant_log_loss(prediction, target, variance_focus=0.0).item() == pytest.approx(
        5
    )
    assert scale_invariant_log_loss(prediction, target, variance_focus=1.0).item() == pytest.approx(
        4
    )
    assert scale_invariant_log_loss(prediction, target).item() == pytest.approx(5 - 0.85)


def test_variance_focus_one_ignores_every_scale():
    target = torch.rand(2, 4, 5) + 0.5
    assert abs(scale_invariant_log_loss(3 * target, target, variance_focus=1.0)) < 1e-6
    assert scale_invariant_log_loss(3 * target, target) > 0.1


def test_the_cosine_error_by_hand():
    target = torch.zeros(1, 3, 1, 3)
    target[0, 2, 0, :2] = -1
    prediction = torch.tensor([[0, 0, -5.0], [3, 0, 0], [0, 1, 0]]).T.reshape(1, 3, 1, 3)
    assert cosine_loss(prediction, target).item() == pytest.approx(0.5)
    assert cosine_loss(-target, target).item() == pytest.approx(2)


def test_unlabelled_pixels_do_not_count_and_none_cost_nothing():
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    labels = torch.randint(0, 3, (2, 4, 5))
    labels[:, :2] = UNLABELLED
    expected = cross_entropy(logits[:, :, 2:], labels[:, 2:])
    torch.testing.assert_close(pixel_cross_entropy(logits, labels), expected)
    nothing = pixel_cross_entropy(logits, torch.full_like(labels, UNLABELLED))
    nothing.backward()
    assert nothing == 0
    assert (logits.grad == 0).all()


def test_nothing_known_is_nan_and_the_unknown_gives_no_gradient():
    assert scale_invariant_log_loss(torch.ones(1, 2, 2), torch.zeros(1, 2, 2)).isnan()
    assert cosine_loss(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)).isnan()
    target = torch.rand(1, 4, 4) + 0.5
    target[0, :2] = 0
    prediction = torch.ones(1, 4, 4, requires_grad=True)
    scale_invariant_log_loss(prediction, target).backward()
    assert (prediction.grad[0, :2] == 0).all()
    assert (prediction.grad[0, 2:] != 0).all()
