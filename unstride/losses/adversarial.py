"""Losses of generative adversarial networks: Wasserstein with gradient penalty, hinge, and others.

Arjovsky et al., arXiv:1701.07875 (wasserstein); Gulrajani et al., arXiv:1704.00028 (penalty);
Goodfellow et al., arXiv:1406.2661, with the loss that does not saturate (vanilla); Mao et al.,
arXiv:1611.04076 (least squares); Lim and Ye, arXiv:1705.02894 (hinge).
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import relu, softplus

Adversary = Literal["wasserstein", "vanilla", "hinge", "least_squares"]
MIN_GRADIENT = 1e-12  # squared norm; the root has no finite slope at 0

Critic = Callable[[Tensor, Tensor], Tensor]  # images and holes in, scores out


def critic_loss(
    real: Float[Tensor, "*b"], fake: Float[Tensor, "*b"], kind: Adversary
) -> Float[Tensor, ""]:
    """What the critic minimises: real images should score higher than filled ones.

    Args:
        real: scores of real images.
        fake: scores of filled images.
        kind: of the loss.
    """
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "hinge":
        return relu(1 - real).mean() + relu(1 + fake).mean()
    if kind == "least_squares":
        return (real - 1).square().mean() + fake.square().mean()
    return softplus(-real).mean() + softplus(fake).mean()


def generator_loss(fake: Float[Tensor, "*b"], kind: Adversary) -> Float[Tensor, ""]:
    """What the generator minimises: filled images should score as real ones do.

    Args:
        fake: scores of filled images.
        kind: of the loss.
    """
    if kind == "least_squares":
        return (fake - 1).square().mean()
    if kind == "vanilla":
        return softplus(-fake).mean()
    return -fake.mean()


def gradient_penalty(
    critic: Critic,
    real: Float[Tensor, "b c h w"],
    fake: Float[Tensor, "b c h w"],
    is_hole: Bool[Tensor, "b 1 h w"],
) -> Float[Tensor, ""]:
    """Mean over images of (|gradient| - 1)^2 between real and filled; it counts in holes alone.

    Yu et al., CVPR 2018, arXiv:1801.07892, equation 4. It is differentiated again, so the critic
    needs second derivatives.

    Args:
        critic: called with images and holes.
        real: real images.
        fake: the same, with holes filled.
        is_hole: where they differ.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    scores = critic(between, is_hole)
    (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    squares = (gradient.square() * is_hole).flatten(1).sum(1)
    return (squares.clamp(min=MIN_GRADIENT).sqrt() - 1).square().mean()
