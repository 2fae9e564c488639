"""Conditional regeneration modules: a redacted image and a prediction in, the image out.

Borse et al., "DejaVu", arXiv:2303.01573, section 3.2: the forward module (CRM-F) is a stack of
convolutions, norms and ReLUs; the recursive module (CRM-R) applies one of them again and again. The
last layer is a plain convolution here, since the output of a ReLU cannot be a normalised image.
Depth and width of the stack are ours.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt

Combination = Literal["concatenate", "multiply"]
Norm = Literal["batch", "group"]
GROUPS = 8  # of group norms, or as many as divide the width


class ForwardRegeneration(nn.Module):
    """Some convolutions with norm and ReLU, then a convolution to three channels.

    Args:
        channels: channels of the condition.
        combination: see `combine`.
        width: channels of the hidden layers.
        blocks: number of hidden layers.
        norm: batch or group.
    """

    @checked
    def __init__(
        self,
        channels: PositiveInt,
        *,
        combination: Combination = "concatenate",
        width: PositiveInt = 32,
        blocks: PositiveInt = 3,
        norm: Norm = "batch",
    ):
        super().__init__()
        self.combination: Combination = combination
        widths = [combined_channels(channels, combination), *[width] * blocks]
        self.layers = nn.Sequential(
            *(conv_block(a, b, norm) for a, b in pairwise(widths)),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(
        self, redacted: Float[Tensor, "b 3 h w"], condition: Float[Tensor, "b n h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """The regenerated images, normalised like the redacted ones."""
        return self.layers(combine(redacted, condition, self.combination))


class RecursiveRegeneration(nn.Module):
    """One convolution with norm and ReLU, and one to three channels, applied again and again.

    Each step takes the image of the step before, the first one the redacted image. Group norm is
    the default: one batch norm cannot hold the statistics of all steps.

    Args:
        channels: channels of the condition.
        steps: number of steps.
        combination: see `combine`.
        width: channels of the hidden layer.
        norm: batch or group.
    """

    @checked
    def __init__(
        self,
        channels: PositiveInt,
        *,
        steps: PositiveInt = 4,
        combination: Combination = "concatenate",
        width: PositiveInt = 32,
        norm: Norm = "group",
    ):
        super().__init__()
        self.combination: Combination = combination
        self.steps = steps
        self.block = conv_block(combined_channels(channels, combination), width, norm)
        self.to_image = nn.Conv2d(width, 3, 3, padding=1)

    def forward(
        self, redacted: Float[Tensor, "b 3 h w"], condition: Float[Tensor, "b n h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """The images of the last step, normalised like the redacted ones."""
        image = redacted
        for _ in range(self.steps):
            image = self.to_image(self.block(combine(image, condition, self.combination)))
        return image


MODULES: dict[str, Callable[..., nn.Module]] = {
    "forward": ForwardRegeneration,
    "recursive": RecursiveRegeneration,
}


def combine(
    image: Float[Tensor, "b 3 h w"], condition: Float[Tensor, "b n h w"], combination: Combination
) -> Float[Tensor, "b c h w"]:
    """The input of a module.

    `concatenate` puts the three channels before the condition's. `multiply` takes the mean of the
    three channels, times each map of the condition.
    """
    if combination == "multiply":
        return image.mean(1, keepdim=True) * condition
    return torch.cat([image, condition.to(image.dtype)], 1)


def combined_channels(channels: int, combination: Combination) -> int:
    """Channels of `combine`'s result."""
    return channels if combination == "multiply" else 3 + channels


def conv_block(in_channels: int, out_channels: int, norm: Norm) -> nn.Sequential:
    """A 3 x 3 convolution, a norm and a ReLU."""
    groups = next(n for n in range(GROUPS, 0, -1) if out_channels % n == 0)
    layer = nn.BatchNorm2d(out_channels) if norm == "batch" else nn.GroupNorm(groups, out_channels)
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(convolution, layer, nn.ReLU(inplace=True))
