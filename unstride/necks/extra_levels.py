"""Extra levels coarser than those of the backbone, added to an FPN by detectors.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, arXiv:1612.03144,
section 4.1 (P6 by subsampling); Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017,
arXiv:1708.02002, section 4 (P6 and P7). Names are torchvision's, so that its checkpoints load.
"""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu


class ExtraLevels(nn.Module):
    """Base class: makes coarser levels from the coarsest level of an FPN."""

    @abstractmethod
    def forward(
        self,
        stride: int,
        coarsest_level: Float[Tensor, "b c h w"],
        coarsest_features: Float[Tensor, "b d h w"],
    ) -> dict[int, Tensor]:
        """The new levels, by stride.

        Args:
            stride: stride of the coarsest level, in pixels.
            coarsest_level: coarsest output of the FPN.
            coarsest_features: coarsest input of the FPN.
        """


class LastLevelMaxPool(ExtraLevels):
    """One more level: every second pixel of every second row. No maximum is taken."""

    def forward(self, stride, coarsest_level, coarsest_features):
        """A level at twice the stride."""
        del coarsest_features
        return {2 * stride: max_pool2d(coarsest_level, kernel_size=1, stride=2)}


class LastLevelP6P7(ExtraLevels):
    """Two more levels, each made by a convolution of stride 2.

    Args:
        in_channels: channels of P6's input. P6 is made from the coarsest output of the FPN if this
            equals `out_channels`, otherwise from its coarsest input.
        out_channels: channels of the new levels.
    """

    def __init__(self, in_channels: int, out_channels: int = 256):
        super().__init__()
        self.uses_p5 = in_channels == out_channels
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for convolution in (self.p6, self.p7):
            nn.init.kaiming_uniform_(convolution.weight, a=1)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]

    def forward(self, stride, coarsest_level, coarsest_features):
        """Levels at twice and four times the stride."""
        p6 = self.p6(coarsest_level if self.uses_p5 else coarsest_features)
        return {2 * stride: p6, 4 * stride: self.p7(relu(p6))}
