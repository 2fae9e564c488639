"""Levels coarser than those of the backbone, as detectors put them on top of an FPN.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, arXiv:1612.03144,
section 4.1 (P6 by subsampling); Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017,
arXiv:1708.02002, section 4 (P6 and P7). Named as in torchvision, whose checkpoints fit.
"""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu


class ExtraLevels(nn.Module):
    """Makes coarser levels out of the coarsest there is."""

    @abstractmethod
    def forward(
        self,
        stride: int,
        level: Float[Tensor, "b c h w"],
        features: Float[Tensor, "b d h w"],
    ) -> dict[int, Tensor]:
        """The new levels by stride.

        Args:
            stride: of the coarsest level, in pixels.
            level: the coarsest that the FPN made.
            features: the coarsest that came into it.
        """


class LastLevelMaxPool(ExtraLevels):
    """One level more: every second pixel of every second row, without any maximum."""

    def forward(self, stride, level, features):
        """At twice the stride."""
        del features
        return {2 * stride: max_pool2d(level, kernel_size=1, stride=2)}


class LastLevelP6P7(ExtraLevels):
    """Two levels more, each by a convolution of step 2.

    Args:
        channels: of what P6 is made from: the coarsest features that came in, or, if that is
            `width`, the coarsest level that the FPN made.
        width: channels of the new levels.
    """

    def __init__(self, channels: int, width: int = 256):
        super().__init__()
        self.from_level = channels == width
        self.p6 = nn.Conv2d(channels, width, 3, 2, 1)
        self.p7 = nn.Conv2d(width, width, 3, 2, 1)
        for convolution in (self.p6, self.p7):
            nn.init.kaiming_uniform_(convolution.weight, a=1)
            nn.init.zeros_(convolution.bias)

    def forward(self, stride, level, features):
        """At twice and at four times the stride."""
        p6 = self.p6(level if self.from_level else features)
        return {2 * stride: p6, 4 * stride: self.p7(relu(p6))}
