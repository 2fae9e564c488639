"""Learning-rate schedules, updated after every step."""

import math
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from unstride.training.options import TaskOptions

OptimizersAndSchedulers = tuple[list[Optimizer], list[dict[str, Any]]]


def with_cosine_decay(optimizer: Optimizer, steps: int) -> OptimizersAndSchedulers:
    """An optimizer with a cosine decay to zero, in the form that Lightning expects."""
    return _with_scheduler(optimizer, CosineAnnealingLR(optimizer, steps))


def with_warmup_cosine(
    optimizer: Optimizer, steps: int, warmup_steps: int
) -> OptimizersAndSchedulers:
    """An optimizer with a linear warm-up from a hundredth, then a cosine decay to zero."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return 0.01 + 0.99 * step / warmup_steps
        progress = min((step - warmup_steps) / max(steps - warmup_steps, 1), 1.0)
        return (1 + math.cos(math.pi * progress)) / 2

    return _with_scheduler(optimizer, LambdaLR(optimizer, factor))


def with_lr_schedule(optimizer: Optimizer, options: TaskOptions) -> OptimizersAndSchedulers:
    """An optimizer with the schedule of the options, in the form that Lightning expects."""
    return _with_scheduler(optimizer, LambdaLR(optimizer, lambda step: lr_factor(step, options)))


def lr_factor(step: int, options: TaskOptions) -> float:
    """The learning rate of a step as a fraction of the highest one.

    Args:
        step: number of the step, from 0.
        options: `lr_schedule`, `steps`, `warmup_steps` and `milestones` are used.
    """
    progress = min(step / options.steps, 1.0)
    warmup = min(1.0, 0.001 + step / options.warmup_steps) if options.warmup_steps else 1.0
    if options.lr_schedule == "poly":
        return warmup * (1 - progress) ** 0.9
    if options.lr_schedule == "cosine":
        return warmup * (1 + torch.cos(torch.tensor(progress * torch.pi)).item()) / 2
    if options.lr_schedule == "multistep":
        return warmup * 0.1 ** sum(progress >= milestone for milestone in options.milestones)
    return warmup


def _with_scheduler(optimizer: Optimizer, scheduler: LRScheduler) -> OptimizersAndSchedulers:
    return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
