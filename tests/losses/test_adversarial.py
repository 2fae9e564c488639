"""Adversarial losses: their values by hand, and the gradient penalty."""

from math import log

import pytest
import torch
from torch import nn

from unstride.losses.adversarial import critic_loss, generator_loss, gradient_penalty

REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-1.5, 0.5])


def softplus(x):
    return log(1 + torch.tensor(x).exp().item())


@pytest.mark.parametrize(
    ("kind", "of_critic", "of_generator"),
    [
        ("wasserstein", -0.5 - 1.25, 0.5),
        ("hinge", (0 + 0.5) / 2 + (0 + 1.5) / 2, 0.5),
        ("least_squares", (1 + 0.25) / 2 + (2.25 + 0.25) / 2, (6.25 + 0.25) / 2),
        (
            "vanilla",
            (softplus(-2.0) + softplus(-0.5)) / 2 + (softplus(-1.5) + softplus(0.5)) / 2,
            (softplus(1.5) + softplus(-0.5)) / 2,
        ),
    ],
)
def test_values_are_those_of_the_papers(kind, of_critic, of_generator):
    assert critic_loss(REAL, FAKE, kind).item() == pytest.approx(of_critic)
    assert generator_loss(FAKE, kind).item() == pytest.approx(of_generator)


@pytest.mark.parametrize("kind", ["wasserstein", "hinge", "least_squares", "vanilla"])
def test_critic_and_network_pull_the_filled_score_in_opposite_directions(kind):
    fake = torch.tensor([0.2, 0.3], requires_grad=True)
    (down,) = torch.autograd.grad(critic_loss(REAL, fake, kind), fake)
    (up,) = torch.autograd.grad(generator_loss(fake, kind), fake)
    assert (down > 0).all()
    assert (up < 0).all()


def inputs():
    real, fake = torch.rand(2, 3, 6, 7), torch.rand(2, 3, 6, 7)
    is_hole = torch.zeros(2, 1, 6, 7, dtype=torch.bool)
    is_hole[0, :, 1:3, 2:5] = True
    is_hole[1, :, 4:, :2] = True
    return real, fake, is_hole


def test_the_penalty_counts_gradients_in_holes_alone():
    real, fake, is_hole = inputs()
    slope = torch.rand(3, 6, 7)

    def critic(image, is_hole):
        return (image * slope).sum((1, 2, 3))

    norms = [(slope.square() * is_hole[b]).sum().sqrt() for b in range(2)]
    expected = sum((n - 1) ** 2 for n in norms) / 2
    torch.testing.assert_close(gradient_penalty(critic, real, fake, is_hole), expected)


def test_the_penalty_trains_the_critic_and_is_taken_between_real_and_filled():
    real, fake, is_hole = inputs()
    seen = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(126, 8), nn.Tanh(), nn.Linear(8, 1))

    def critic(image, is_hole):
        seen.append(image)
        return network(image)[:, 0]

    gradient_penalty(critic, real, fake, is_hole).backward()
    assert network[1].weight.grad.any()
    share = (seen[0] - fake) / (real - fake)
    for b in range(2):
        torch.testing.assert_close(share[b], share[b, 0, 0, 0].expand(3, 6, 7), rtol=0, atol=1e-2)
        assert 0 <= share[b, 0, 0, 0] <= 1
    assert share[0, 0, 0, 0] != share[1, 0, 0, 0]


def test_a_flat_critic_has_a_finite_gradient():
    real, fake, is_hole = inputs()
    layer = nn.Linear(126, 1)
    nn.init.zeros_(layer.weight)
    loss = gradient_penalty(lambda i, h: layer(i.flatten(1))[:, 0], real, fake, is_hole)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-5)
    assert layer.weight.grad.isfinite().all()
