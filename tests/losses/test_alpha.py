"""Losses of alpha mattes."""

import pytest
import torch

from unstride.losses.alpha import (
    alpha_loss,
    blurred,
    composition_loss,
    gradient_loss,
    laplacian_loss,
)


def example():
    truth = torch.rand(2, 1, 12, 14)
    alpha = torch.rand(2, 1, 12, 14)
    return alpha, truth, torch.rand(2, 1, 12, 14) > 0.5


def test_alpha_counts_in_the_unknown_region_alone():
    alpha, truth, unknown = example()
    expected = (alpha - truth).abs()[unknown].mean()
    torch.testing.assert_close(alpha_loss(alpha, truth, unknown), expected)
    assert alpha_loss(alpha, truth, unknown & False).item() == 0


def test_composition_is_the_error_of_the_colours():
    alpha, truth, unknown = example()
    front, back = torch.rand(2, 3, 12, 14), torch.rand(2, 3, 12, 14)
    image = truth * front + (1 - truth) * back
    expected = ((alpha - truth) * (front - back)).abs().mean(1, keepdim=True)[unknown].mean()
    actual = composition_loss(alpha, image, front, back, unknown)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)
    assert composition_loss(truth, image, front, back, unknown).item() < 2e-6


def test_slopes_count_not_offsets():
    alpha, truth, unknown = example()
    everywhere = unknown | True
    assert gradient_loss(truth + 0.2, truth, everywhere).item() < 1e-6
    difference = alpha - truth
    total = difference.diff(dim=3).abs().sum() + difference.diff(dim=2).abs().sum()
    torch.testing.assert_close(gradient_loss(alpha, truth, everywhere), total / 336)


def test_the_pyramid_sees_all_scales():
    truth, unknown = torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32).bool()
    broad = torch.zeros(1, 1, 32, 32)
    broad[:, :, 8:24, 8:24] = 0.1
    fine = 0.1 * (torch.arange(32) % 2).expand(1, 1, 32, 32)
    assert laplacian_loss(truth, truth, unknown).item() == 0
    for error in (broad, fine):
        assert laplacian_loss(truth + error, truth, unknown) > 0.01
    assert laplacian_loss(truth + broad, truth, ~unknown).item() == 0
    assert laplacian_loss(truth[..., :3, :3] + 1, truth[..., :3, :3], unknown[..., :3, :3]) >= 0


def test_blurring_keeps_constants_and_ramps():
    ramp = torch.arange(20.0).expand(1, 1, 12, 20)
    torch.testing.assert_close(blurred(ramp)[..., 3:-3], ramp[..., 3:-3])


@pytest.mark.parametrize("loss", [alpha_loss, gradient_loss, laplacian_loss])
def test_every_unknown_pixel_gets_a_gradient(loss):
    alpha, truth, unknown = example()
    alpha.requires_grad_()
    loss(alpha, truth, unknown).backward()
    assert alpha.grad[unknown].ne(0).float().mean() > 0.4  # slopes on both sides may cancel
    assert alpha.grad.isfinite().all()
