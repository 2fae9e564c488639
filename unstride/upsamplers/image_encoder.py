"""What an image shows at each pixel: the first stages of EfficientNet-Lite0, as a guide's encoder.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
arXiv:1905.11946, in its Lite form (ReLU6, no squeeze and excitation), up to stride 16, padded as
TensorFlow pads. Batch normalisations are folded into the convolutions before them.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

STEM_CHANNELS = 32
# blocks, kernel size, stride and output channels of each stage
STAGES = [(1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112)]
EXPANSION = 6
OUTPUT_STAGES = (0, 1, 2, 4)  # stages whose results are used, at strides 2, 4, 8 and 16


class ImageEncoder(nn.Module):
    """Maps of 16, 24, 40 and 112 channels at strides 2, 4, 8 and 16."""

    channels = tuple(STAGES[i][3] for i in OUTPUT_STAGES)

    def __init__(self):
        super().__init__()
        self.stem = Conv2dSame(3, STEM_CHANNELS, 3, stride=2)
        self.stages = nn.ModuleList()
        before, expansion = STEM_CHANNELS, 1
        for blocks, kernel_size, stride, channels in STAGES:
            stage = nn.Sequential()
            for i in range(blocks):
                first = {"stride": stride if i == 0 else 1, "expansion": expansion}
                stage.append(InvertedResidual(before, channels, kernel_size, **first))
                before, expansion = channels, EXPANSION
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
    """Widen, look at neighbours channel by channel, narrow; added to the input where it fits.

    Args:
        before, channels: of the input, of the output.
        kernel_size, stride: of the step that looks at neighbours.
        expansion: how many times as wide that step is.
    """

    def __init__(
        self, before: int, channels: int, kernel_size: int, *, stride: int, expansion: int
    ):
        super().__init__()
        wide = before * expansion
        self.expand = Conv2dSame(before, wide, 1) if expansion > 1 else None
        self.depthwise = Conv2dSame(wide, wide, kernel_size, stride=stride, groups=wide)
        self.project = Conv2dSame(wide, channels, 1)
        self.skips = stride == 1 and before == channels

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d H W"]:
        """A block of the network."""
        y = x if self.expand is None else relu6(self.expand(x))
        y = self.project(relu6(self.depthwise(y)))
        return x + y if self.skips else y


class Conv2dSame(nn.Conv2d):
    """A convolution whose output has a pixel for each begun stride of its input."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d H W"]:
        """What is missing is put half before the map, half behind it, the odd pixel behind."""
        k, s = self.kernel_size[0], self.stride[0]
        down, right = (max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[2:])
        if down or right:
            x = pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return conv2d(x, self.weight, self.bias, s, 0, 1, self.groups)


def fold_batch_norm(
    weight: Float[Tensor, "d c k l"], norm: dict[str, Tensor], epsilon: float
) -> tuple[Float[Tensor, "d c k l"], Float[Tensor, " d"]]:
    """Weight and bias of one convolution that does what a convolution and a batch norm do.

    Args:
        weight: of the convolution, which has no bias.
        norm: weight, bias, running_mean and running_var.
        epsilon: that is added to the variance.
    """
    scale = norm["weight"] * torch.rsqrt(norm["running_var"] + epsilon)
    return weight * scale.view(-1, 1, 1, 1), norm["bias"] - norm["running_mean"] * scale
