"""Trains a critic beside the network that Lightning trains.

Lightning counts a step for each optimizer of a learner. So the critic is no part of the learner: it
has its own optimizer and is saved with the learner's checkpoint.
"""

from typing import Any

import torch
from torch import Tensor, nn

from unstride.losses.adversarial import (
    Adversary,
    critic_loss,
    generator_loss,
    gradient_penalty,
)


class CriticTrainer:
    """A critic and its optimizer, Adam with betas 0.5 and 0.9.

    Args:
        critic: called with images and holes; returns scores.
        kind: of the adversarial loss.
        learning_rate: of the critic.
        penalty_weight: weight of the gradient penalty; 0 leaves it out.
    """

    def __init__(
        self, critic: nn.Module, kind: Adversary, learning_rate: float, penalty_weight: float
    ):
        self.critic, self.kind, self.penalty_weight = critic, kind, penalty_weight
        self.optimizer = torch.optim.Adam(critic.parameters(), learning_rate, betas=(0.5, 0.9))

    def to(self, device: torch.device) -> None:
        """Move the critic, and what its optimizer has gathered."""
        self.critic.to(device)
        self.optimizer.load_state_dict(self.optimizer.state_dict())

    def step(self, real: Tensor, fake: Tensor, is_hole: Tensor) -> float:
        """Train the critic for one step, and return its loss.

        Args:
            real: real images.
            fake: the same with their holes filled; no gradient flows to them.
            is_hole: the holes.
        """
        self.critic.requires_grad_(True)
        self.optimizer.zero_grad()
        with torch.autocast(real.device.type, enabled=False), torch.enable_grad():
            real, fake = real.float(), fake.detach().float()
            loss = critic_loss(self.critic(real, is_hole), self.critic(fake, is_hole), self.kind)
            if self.penalty_weight:
                penalty = gradient_penalty(self.critic, real, fake, is_hole)
                loss = loss + self.penalty_weight * penalty
            loss.backward()
        average_gradients(self.critic)
        self.optimizer.step()
        return loss.item()

    def generator_loss(self, fake: Tensor, is_hole: Tensor) -> Tensor:
        """What the network minimises. The critic gets no gradient."""
        self.critic.requires_grad_(False)
        return generator_loss(self.critic(fake, is_hole), self.kind)

    def state_dict(self) -> dict[str, Any]:
        """The state of critic and optimizer."""
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])


def average_gradients(module: nn.Module) -> None:
    """Average the gradients over all processes, if there are several."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    for parameter in module.parameters():
        if parameter.grad is not None:
            torch.distributed.all_reduce(parameter.grad)
            parameter.grad /= torch.distributed.get_world_size()
