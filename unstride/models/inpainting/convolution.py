"""A convolution with its activation, plain or gated: the layer of DeepFill.

Gated convolutions: Yu, Lin, Yang, Shen, Lu, Huang, "Free-Form Image Inpainting with Gated
Convolution", ICCV 2019, arXiv:1806.03589, section 3.1.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad


class Convolution(nn.Module):
    """A convolution and an activation; gated, activation(a) * sigmoid(b) of two convolutions.

    Args:
        in_channels: channels of the input.
        channels: channels of the result.
        kernel_size: side of the kernel, odd.
        stride: input pixels per output pixel.
        dilation: distance of two taps.
        gated: whether a second convolution decides how much of each value passes.
        activation: applied to the result. None: neither activation nor gate.
        pads_end: pad what a stride of 2 needs at the end alone, as TensorFlow does.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        gated: bool = False,
        activation: Callable[[], nn.Module] | None = nn.ELU,
        pads_end: bool = False,
    ):
        super().__init__()
        self.gated = gated and activation is not None
        padding = dilation * (kernel_size // 2)
        self.end_padding = kernel_size - 2 if pads_end and stride == 2 else 0
        self.conv = nn.Conv2d(
            in_channels, channels * (1 + self.gated), kernel_size, stride,
            0 if self.end_padding else padding, dilation,
        )  # fmt: skip
        self.activation = nn.Identity() if activation is None else activation()

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d H W"]:
        """Convolve; the grid is divided by the stride."""
        if self.end_padding:
            maps = pad(maps, (0, self.end_padding, 0, self.end_padding))
        maps = self.conv(maps)
        if not self.gated:
            return self.activation(maps)
        values, gates = maps.chunk(2, 1)
        return self.activation(values) * gates.sigmoid()
