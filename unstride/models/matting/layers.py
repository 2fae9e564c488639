"""Layers of matting networks: convolution with norm and activation, and pyramid pooling (ASPP).

ASPP: Chen, Papandreou, Schroff, Adam, "Rethinking Atrous Convolution for Semantic Image
Segmentation", arXiv:1706.05587, with depthwise separable convolutions as in the released code of
IndexNet and A2U.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

Activation = Callable[[], nn.Module]


def conv_norm(
    in_channels: int,
    channels: int,
    kernel_size: int,
    activation: Activation | None,
    *,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """A convolution that keeps the grid, without bias, and batch norm; then the activation.

    Args:
        in_channels, channels, dilation, groups: see `torch.nn.Conv2d`.
        kernel_size: side, odd.
        activation: makes the activation. None: there is none.
    """
    padding = dilation * (kernel_size // 2)
    return nn.Sequential(
        nn.Conv2d(
            in_channels, channels, kernel_size, padding=padding, dilation=dilation, groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(channels),
        *([] if activation is None else [activation()]),
    )  # fmt: skip


class ASPP(nn.Module):
    """Convolutions of several dilations and the mean of the map, side by side, then merged.

    Args:
        in_channels: channels of the input.
        channels: channels of the result.
        width: channels of each branch.
        dilations: of the three dilated branches.
        activation: makes the activations.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        width: int,
        dilations: Sequence[int],
        activation: Activation,
    ):
        super().__init__()
        self.branches = nn.ModuleList([conv_norm(in_channels, width, 1, activation)])
        for dilation in dilations:
            depthwise = conv_norm(
                in_channels, in_channels, 3, activation, dilation=dilation, groups=in_channels
            )
            self.branches.append(
                nn.Sequential(depthwise, conv_norm(in_channels, width, 1, activation))
            )
        self.mean = conv_norm(in_channels, width, 1, activation)
        self.merge = conv_norm(width * (len(dilations) + 2), channels, 1, activation)
        self.dropout = nn.Dropout(0.5)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Run all branches on the same grid."""
        found = [branch(maps) for branch in self.branches]
        mean = self.mean(maps.mean((2, 3), keepdim=True)).expand_as(found[0])
        return self.dropout(self.merge(torch.cat([*found, mean], 1)))
