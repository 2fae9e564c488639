"""The momentum encoder: a copy of a network whose weights follow as a running mean."""

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class MomentumEncoder(nn.Module):
    """A copy of a network that gets no gradient; its parameters follow those of the network.

    After step t of T the momentum is m = 1 - (1 - start) (cos(pi t / T) + 1) / 2, from `start` to 1
    (Grill et al., "BYOL", arXiv:2006.07733; PixPro). The step is in the state dict, so that a
    resumed run goes on where it was. As in the released code of PixPro, only parameters follow, not
    the statistics of batch norms: the copy stays in training mode and uses those of its batch.

    Args:
        network: the network that is copied.
        steps: number T of training steps.
        start: momentum of the first step, 0 to 1.

    Raises:
        ValueError: if `start` or `steps` are impossible.
    """

    step: Tensor

    def __init__(self, network: nn.Module, steps: int, start: float = 0.99):
        super().__init__()
        if not 0 <= start <= 1:
            raise ValueError(f"momentum must be between 0 and 1, got {start}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.network: Any = deepcopy(network).requires_grad_(False)
        self.steps, self.start = steps, start
        self.register_buffer("step", torch.tensor(0))

    def momentum(self) -> float:
        """The momentum of the current step."""
        progress = min(int(self.step) / self.steps, 1.0)
        return 1 - (1 - self.start) * (math.cos(math.pi * progress) + 1) / 2

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the parameters towards those of the network, and count the step."""
        momentum = self.momentum()
        pairs = zip(self.network.parameters(), network.parameters(), strict=True)
        for own, other in pairs:
            own.lerp_(other.to(own.dtype), 1 - momentum)
        self.step += 1

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Any:
        """The network's output, without a gradient."""
        return self.network(*inputs)
