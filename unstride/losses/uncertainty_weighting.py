"""Several losses in one, each weighted by how uncertain its task turns out to be.

Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018,
arXiv:1705.07115, equations 7 and 10.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn


class UncertaintyWeighting(nn.Module):
    """sum of L / (2 sigma^2) + log sigma for regression, L / sigma^2 + log sigma for classes.

    Each sigma is learned; at a loss L that stays as it is, sigma^2 becomes L, or 2 L for classes.
    The sum may be negative. At first every sigma is 1.

    Args:
        is_classification: by the task's name, in the order of `log_variance`.

    Attributes:
        log_variance: log sigma^2 of each task.
    """

    def __init__(self, is_classification: Mapping[str, bool]):
        super().__init__()
        self.names = list(is_classification)
        factor = [1.0 if is_classification[name] else 0.5 for name in self.names]
        self.register_buffer("factor", torch.tensor(factor), persistent=False)
        self.log_variance = nn.Parameter(torch.zeros(len(self.names)))

    factor: Tensor

    def forward(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum; tasks without a loss, for want of labels, take no part.

        Raises:
            ValueError: if a loss is of no task, or there are none.
        """
        unknown = [name for name in losses if name not in self.names]
        if unknown or not losses:
            offered = ", ".join(self.names)
            raise ValueError(f"losses of {', '.join(unknown) or 'nothing'}: there are {offered}")
        at = [self.names.index(name) for name in losses]
        log_variance = self.log_variance[at]
        stacked = torch.stack(list(losses.values()))
        return (self.factor[at] * stacked * torch.exp(-log_variance) + log_variance / 2).sum()
