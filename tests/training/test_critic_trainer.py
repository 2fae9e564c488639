"""The critic's training beside the network's."""

import pytest
import torch
from torch import nn

from unstride.training.critic_trainer import CriticTrainer


class Mean(nn.Module):
    """Scores an image by its weighted mean colour."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, image, is_hole):
        return (image.mean((2, 3)) * self.weight).sum(1)


def trainer(kind="hinge", penalty_weight=0.0):
    return CriticTrainer(Mean(), kind, 0.1, penalty_weight)


real, fake = torch.full((2, 3, 4, 4), 0.9), torch.full((2, 3, 4, 4), 0.1)
is_hole = torch.ones(2, 1, 4, 4, dtype=torch.bool)


@pytest.mark.parametrize("kind", ["wasserstein", "hinge", "least_squares", "vanilla"])
def test_it_learns_to_score_real_images_higher(kind):
    critics = trainer(kind, penalty_weight=1.0 if kind == "wasserstein" else 0.0)
    losses = [critics.step(real, fake, is_hole) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert (critics.critic(real, is_hole) > critics.critic(fake, is_hole)).all()


def test_the_network_gets_a_gradient_and_the_critic_none():
    critics = trainer()
    critics.step(real, fake, is_hole)
    images = fake.clone().requires_grad_()
    before = critics.critic.weight.grad.clone()
    critics.generator_loss(images, is_hole).backward()
    assert images.grad.any()
    assert torch.equal(critics.critic.weight.grad, before)


def test_no_gradient_flows_to_the_filled_images():
    critics, images = trainer(), fake.clone().requires_grad_()
    critics.step(real, images * 2, is_hole)
    assert images.grad is None


def test_a_restored_critic_goes_on_as_if_it_had_never_stopped():
    whole, stopped = trainer(), trainer()
    for _ in range(3):
        whole.step(real, fake, is_hole)
        stopped.step(real, fake, is_hole)
    resumed = trainer()
    resumed.load_state_dict(stopped.state_dict())
    whole.step(real, fake, is_hole)
    resumed.step(real, fake, is_hole)
    assert torch.equal(whole.critic.weight, resumed.critic.weight)
