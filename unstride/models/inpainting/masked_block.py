"""A block of GLCIC and of partial-convolution networks: convolution, norm, activation, and mask."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from unstride.models.inpainting.partial_conv import PartialConv2d


class MaskedBlock(nn.Module):
    """Convolution, batch norm and activation; partial, it updates the mask of known places.

    Args:
        in_channels: channels of the input.
        channels: channels of the result.
        kernel_size: side of the kernel, odd.
        stride: input pixels per output pixel.
        dilation: distance of two taps.
        partial: whether the convolution sees known values alone.
        norm: whether there is a batch norm.
        activation: applied to the result. None: none.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        partial: bool = False,
        norm: bool = True,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ):
        super().__init__()
        make = PartialConv2d if partial else nn.Conv2d
        padding = dilation * (kernel_size // 2)
        self.conv = make(in_channels, channels, kernel_size, stride, padding, dilation)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.activation = nn.Identity() if activation is None else activation()

    def forward(
        self, maps: Float[Tensor, "b c h w"], known: Bool[Tensor, "b k h w"]
    ) -> tuple[Float[Tensor, "b d H W"], Bool[Tensor, "b 1 H W"]]:
        """Run the block; of a plain convolution every place is known.

        Args:
            maps: values.
            known: which are known, for each channel or for all.
        """
        if isinstance(self.conv, PartialConv2d):
            maps, known = self.conv(maps, known)
        else:
            maps = self.conv(maps)
            known = known.new_ones(len(maps), 1, *maps.shape[2:])
        return self.activation(self.norm(maps)), known
