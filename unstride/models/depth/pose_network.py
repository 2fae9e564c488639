"""How a camera moved between two frames, from the frames alone.

In the place of the pose network of Zhou et al., "Unsupervised Learning of Depth and Ego-Motion from
Video", CVPR 2017, arXiv:1704.07813, section 3.5: convolutions of step 2, then the mean over places.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.geometry import pose_matrix

CONV_CHANNELS = (16, 32, 64, 128, 256, 256)  # of the convolutions, each of which halves the grid
OUTPUT_SCALE = 0.01  # radians and metres per unit of the network's output: it starts near rest


class PoseNetwork(nn.Module):
    """The pose from the first frame's camera to the second's; translation in the depth's unit."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise((6, *CONV_CHANNELS))):
            side = (7, 5, 3)[min(i, 2)]
            layers += [nn.Conv2d(before, after, side, 2, side // 2), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(CONV_CHANNELS[-1], 6, 1))

    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 4 4"]:
        """Of two frames, RGB in [0, 1]."""
        motion = OUTPUT_SCALE * self.body(2 * torch.cat([first, second], 1) - 1).mean((2, 3))
        return pose_matrix(motion[:, :3], motion[:, 3:])
