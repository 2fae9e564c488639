"""Predicts how a camera moved between two frames, from the frames alone.

Takes the place of the pose network of Zhou et al., "Unsupervised Learning of Depth and Ego-Motion
from Video", CVPR 2017, arXiv:1704.07813, section 3.5: convolutions of stride 2, then the mean over
positions.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.geometry import pose_matrix

CONV_CHANNELS = (16, 32, 64, 128, 256, 256)  # of the convolutions, each of which halves the grid
KERNEL_SIZES = (7, 5, 3)  # of the first convolutions; all others have the last one
OUTPUT_SCALE = 0.01  # radians and metres per unit of output, so that training starts near rest


class PoseNetwork(nn.Module):
    """Predicts the pose from the first frame's camera to the second's.

    The translation has the unit of the depth.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (in_channels, out_channels) in enumerate(pairwise((6, *CONV_CHANNELS))):
            kernel_size = KERNEL_SIZES[min(i, 2)]
            layers.append(nn.Conv2d(in_channels, out_channels, kernel_size, 2, kernel_size // 2))
            layers.append(nn.ReLU())
        self.body = nn.Sequential(*layers, nn.Conv2d(CONV_CHANNELS[-1], 6, 1))

    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 4 4"]:
        """The pose as a matrix.

        Args:
            first: RGB in [0, 1].
            second: RGB in [0, 1], of the same size.
        """
        motion = OUTPUT_SCALE * self.body(2 * torch.cat([first, second], 1) - 1).mean((2, 3))
        return pose_matrix(motion[:, :3], motion[:, 3:])
