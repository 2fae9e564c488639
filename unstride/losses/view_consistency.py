"""FeatUp's consistency of views under a learned uncertainty, and its prior on magnitudes.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, sections 3.1 and 3.2; the uncertainty's start is
that of the released code.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Doubt(nn.Conv2d):
    """How uncertain a cell of a view is, from its components: a positive scale.

    Args:
        channels: components.
    """

    def __init__(self, channels: int):
        super().__init__(channels, 1, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(0.1)

    def forward(self, answers: Float[Tensor, "b k h w"]) -> Float[Tensor, "b 1 h w"]:
        """At least 1e-4, at first about 1.1, as released."""
        return (super().forward(answers) + 0.1).exp().clamp(min=1e-4)


def uncertain_loss(
    expected: Float[Tensor, "b k h w"],
    actual: Float[Tensor, "b k h w"],
    scale: Float[Tensor, "b 1 h w"],
) -> Tensor:
    """Mean of (expected - actual)^2 / (2 scale^2) + log scale."""
    error = (expected - actual).square().mean(1, keepdim=True)
    return (error / (2 * scale.square()) + scale.log()).mean()


def magnitude_variation(maps: Float[Tensor, "b k h w"]) -> Tensor:
    """Mean squared difference of neighbours' magnitudes, below and beside each other."""
    size = maps.norm(dim=1)
    down, across = size.diff(dim=1), size.diff(dim=2)
    return down.square().mean() + across.square().mean()
