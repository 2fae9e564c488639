"""Projectors and predictors of pixels: two 1 x 1 convolutions with batch norm and ReLU between."""

from jaxtyping import Float
from torch import Tensor, nn


class PixelMLP(nn.Module):
    """A 1 x 1 convolution, batch norm, ReLU, and a 1 x 1 convolution, all with biases.

    Projector and predictor of PixPro (arXiv:2011.10043) and of BYOL. The released code of PixPro
    has 4,096 hidden channels; readers of the paper report 2,048.

    Args:
        channels: of the input.
        hidden_channels: of the hidden layer.
        out_channels: of the output.
    """

    def __init__(self, channels: int, hidden_channels: int = 4096, out_channels: int = 256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden_channels, 1),
            nn.BatchNorm2d(hidden_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_channels, out_channels, 1),
        )

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The projected cells."""
        return self.layers(features)
