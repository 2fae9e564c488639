"""Encodes an image, as a guide, by the first stages of EfficientNet-Lite0.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
arXiv:1905.11946, in its Lite form (ReLU6, no squeeze-and-excitation), up to stride 16, with
TensorFlow's padding. Batch norms are folded into the convolutions before them.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

from unstride.ops.window import ceil_div

STEM_CHANNELS = 32
# blocks, kernel size, stride and output channels of each stage
STAGES = [(1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112)]
EXPANSION = 6
OUTPUT_STAGES = (0, 1, 2, 4)  # stages whose maps are returned, at strides 2, 4, 8 and 16


class ImageEncoder(nn.Module):
    """Maps of 16, 24, 40 and 112 channels at strides 2, 4, 8 and 16."""

    channels = tuple(STAGES[i][3] for i in OUTPUT_STAGES)

    def __init__(self):
        super().__init__()
        self.stem = Conv2dSame(3, STEM_CHANNELS, 3, stride=2)
        self.stages = nn.ModuleList()
        in_channels, expansion = STEM_CHANNELS, 1
        for blocks, kernel_size, stage_stride, channels in STAGES:
            stage = nn.Sequential()
            for i in range(blocks):
                stride = stage_stride if i == 0 else 1
                stage.append(
                    InvertedResidual(
                        in_channels, channels, kernel_size, stride=stride, expansion=expansion
                    )
                )
                in_channels, expansion = channels, EXPANSION
            self.stages.append(stage)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """The four maps, finest first.

        Args:
            image: RGB in [0, 1].
        """
        x = relu6(self.stem(2 * image - 1))
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in OUTPUT_STAGES:
                maps.append(x)
        return maps


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project; added to the input where shapes agree.

    Args:
        in_channels, out_channels: of the block.
        kernel_size, stride: of the depthwise convolution.
        expansion: channels of the depthwise convolution per input channel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int, expansion: int
    ):
        super().__init__()
        width = in_channels * expansion
        self.expand = Conv2dSame(in_channels, width, 1) if expansion > 1 else None
        self.depthwise = Conv2dSame(width, width, kernel_size, stride=stride, groups=width)
        self.project = Conv2dSame(width, out_channels, 1)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d H W"]:
        """Run the block."""
        y = x if self.expand is None else relu6(self.expand(x))
        y = self.project(relu6(self.depthwise(y)))
        return x + y if self.has_skip else y


class Conv2dSame(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: output size is input / stride, rounded up."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d H W"]:
        """Pad evenly on both sides, with an odd pixel at the bottom or right, then convolve."""
        k, s = self.kernel_size[0], self.stride[0]
        down, right = (max((ceil_div(n, s) - 1) * s + k - n, 0) for n in x.shape[2:])
        if down or right:
            x = pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return conv2d(x, self.weight, self.bias, s, 0, 1, self.groups)


def fold_batch_norm(
    weight: Float[Tensor, "d c k l"], batch_norm: dict[str, Tensor], epsilon: float
) -> tuple[Float[Tensor, "d c k l"], Float[Tensor, " d"]]:
    """Weight and bias of one convolution that equals a convolution followed by a batch norm.

    Args:
        weight: of the convolution, which has no bias.
        batch_norm: its weight, bias, running_mean and running_var.
        epsilon: added to the variance.
    """
    scale = batch_norm["weight"] * torch.rsqrt(batch_norm["running_var"] + epsilon)
    bias = batch_norm["bias"] - batch_norm["running_mean"] * scale
    return weight * scale.view(-1, 1, 1, 1), bias
