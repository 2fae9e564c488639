"""Weights the losses of several tasks by a learned uncertainty of each task.

Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018,
arXiv:1705.07115, equations 7 and 10.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn


class UncertaintyWeighting(nn.Module):
    """Sum of L / (2 sigma^2) + log sigma for regression, L / sigma^2 + log sigma for classes.

    Each sigma is learned and starts at 1. For a constant loss L, sigma^2 converges to L, or to 2 L
    for classes. The sum may be negative.

    Args:
        is_classification: whether each task is a classification, by task name. Its order is that
            of `log_variance`.

    Attributes:
        log_variance: log sigma^2 of each task.
    """

    factor: Tensor

    def __init__(self, is_classification: Mapping[str, bool]):
        super().__init__()
        self.task_names = list(is_classification)
        factor = [1.0 if is_classification[name] else 0.5 for name in self.task_names]
        self.register_buffer("factor", torch.tensor(factor), persistent=False)
        self.log_variance = nn.Parameter(torch.zeros(len(self.task_names)))

    def forward(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses.

        Args:
            losses: losses by task name. Tasks without labels in the batch may be missing.

        Raises:
            ValueError: if a name is not a task, or there are no losses.
        """
        unknown = [name for name in losses if name not in self.task_names]
        if unknown or not losses:
            raise ValueError(
                f"keys of losses must be among {', '.join(self.task_names)}, got "
                f"{', '.join(unknown) or 'none'}"
            )
        task_indices = [self.task_names.index(name) for name in losses]
        log_variance = self.log_variance[task_indices]
        stacked = torch.stack(list(losses.values()))
        factor = self.factor[task_indices]
        return (factor * stacked * torch.exp(-log_variance) + log_variance / 2).sum()
