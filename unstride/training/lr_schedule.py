"""TODO."""

import torch

from unstride.training.options import TaskOptions


def lr_factor(step: int, options: TaskOptions) -> float:
    """The learning rate of a step, counted from 0, as a share of the highest."""
    done = min(step / options.steps, 1.0)
    rising = min(1.0, 0.001 + step / options.warmup) if options.warmup else 1.0
    if options.schedule == "poly":
        return rising * (1 - done) ** 0.9
    if options.schedule == "cosine":
        return rising * (1 + torch.cos(torch.tensor(done * torch.pi)).item()) / 2
    if options.schedule == "steps":
        return rising * 0.1 ** sum(done >= milestone for milestone in options.milestones)
    return rising
