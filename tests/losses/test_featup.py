"""FeatUp's losses against their formulas, written out."""

import math

import pytest
import torch

from unstride.losses.featup import (
    UncertaintyHead,
    gaussian_nll_loss,
    magnitude_tv_loss,
    sampled_crf_loss,
    total_variation_loss,
)


def test_likelihood_is_that_of_a_gaussian_up_to_its_constant():
    prediction, target = torch.randn(2, 5, 3, 4).double(), torch.randn(2, 5, 3, 4).double()
    sigma = torch.rand(2, 1, 3, 4).double() + 0.5
    normal = torch.distributions.Normal(prediction, sigma.expand_as(prediction))
    truth = -normal.log_prob(target).mean() - math.log(2 * math.pi) / 2
    torch.testing.assert_close(gaussian_nll_loss(prediction, target, sigma), truth)


def test_the_best_uncertainty_is_the_error():
    """At sigma^2 = mean squared error the gradient in sigma vanishes."""
    prediction, target = torch.randn(1, 64, 1, 1), torch.randn(1, 64, 1, 1)
    sigma = (prediction - target).square().mean().sqrt().view(1, 1, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(gaussian_nll_loss(prediction, target, sigma), sigma)
    assert abs(gradient.item()) < 1e-5


def test_total_variation_of_a_ramp_is_its_slopes_squared():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="ij")
    assert total_variation_loss((3 * y + 2 * x)[None, None]).item() == pytest.approx(9 + 4)
    assert total_variation_loss(torch.ones(1, 2, 4, 4)) == 0


def test_magnitudes_are_lengths_of_features():
    maps = torch.randn(1, 5, 3, 4)
    size = maps.square().sum(1).sqrt()[0]
    down = sum((size[y + 1, x] - size[y, x]) ** 2 for y in range(2) for x in range(4)) / 8
    across = sum((size[y, x + 1] - size[y, x]) ** 2 for y in range(3) for x in range(3)) / 9
    torch.testing.assert_close(magnitude_tv_loss(maps), down + across)


def test_uncertainty_is_positive_and_starts_near_one():
    head, maps = UncertaintyHead(5), torch.randn(1, 5, 3, 4)
    plain = torch.einsum("bdhw, d -> bhw", maps, head.weight[0, :, 0, 0]) + head.bias
    torch.testing.assert_close(head(maps)[:, 0], (plain + 0.1).exp())
    assert (head(maps * 1e6) >= 1e-4).all()
    assert head.weight.abs().max() <= 0.1 / 5**0.5  # the usual start, a tenth of it


def test_the_crf_is_its_formula_over_all_pairs():
    features, image = torch.randn(1, 2, 6, 5).double(), torch.rand(1, 3, 12, 10).double()
    n, generator = 7, torch.Generator().manual_seed(3)
    loss = sampled_crf_loss(features, image, generator, points=n)
    place = 2 * torch.rand(1, n, 1, 2, generator=torch.Generator().manual_seed(3)) - 1
    place = place[0, :, 0].double()

    def at(maps, p):  # bilinear, the border repeated
        h, w = maps.shape[2:]
        x, y = ((p[i].item() + 1) * s / 2 - 0.5 for i, s in ((0, w), (1, h)))
        x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
        x0, y0 = min(int(x), w - 2), min(int(y), h - 2)
        box = maps[0, :, y0 : y0 + 2, x0 : x0 + 2]
        across = box[:, :, 0] * (1 - (x - x0)) + box[:, :, 1] * (x - x0)
        return across[:, 0] * (1 - (y - y0)) + across[:, 1] * (y - y0)

    total = 0.0
    for i in range(n):
        for j in range(n):
            apart = (place[i] - place[j]).square().sum()
            colour = (at(image, place[i]) - at(image, place[j])).square().sum()
            alike = 10 * torch.exp(-apart / 0.2 - colour / 0.3) + 3 * torch.exp(-apart / 0.01)
            total += alike * (at(features, place[i]) - at(features, place[j])).square().mean()
    torch.testing.assert_close(loss, total / n**2, rtol=1e-6, atol=1e-9)
