"""Joint bilateral upsampling: weights from distances in space and in the guide's colours.

Kopf, Cohen, Lischinski, Uyttendaele, "Joint Bilateral Upsampling", SIGGRAPH 2007, equation 3.
A coarse pixel's colour is the mean of the image over it. Taps beyond the border are left out,
and the weights are normalised over the rest, as in the paper.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.ops import correlate
from unstride.ops.softmax import softmax_over_valid_taps
from unstride.ops.window import window_start
from unstride.saving.argument_ranges import Finite, PositiveInt
from unstride.upsamplers.base import Reassembly
from unstride.upsamplers.guide import check_guide, resize_guide

Width = Annotated[float, Finite(minimum=1e-6)]  # of a Gaussian; its square divides the distances


class JointBilateral(Reassembly):
    """Weights are convex: a Gaussian in space times a Gaussian in colour, normalised.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the guide, for example an image.
        kernel_size: side k of the window, in input pixels.
        sigma_space: width of the spatial Gaussian, in input pixels, at least 1e-6.
        sigma_range: width of the colour Gaussian, for colours in [0, 1], at least 1e-6.
    """

    guide_channels: int

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt = 3,
        kernel_size: PositiveInt = 5,
        sigma_space: Width = 0.7,
        sigma_range: Width = 0.15,
    ):
        super().__init__(channels, scale)
        self.guide_channels, self.kernel_size = guide_channels, kernel_size
        self.sigma_space, self.sigma_range = sigma_space, sigma_range

    def halo(self, grid, size, guide_size=None):
        """The window."""
        return self.kernel_size // 2

    def predict_weights(self, features, guide, size):
        """A softmax, over the taps on the map, of minus the two squared distances."""
        guide = check_guide(guide, features, self.guide_channels, "joint_bilateral")
        grid = features.shape[2], features.shape[3]
        fine, coarse = resize_guide(guide, size), resize_guide(guide, grid)
        logits = colour_logits(fine, coarse, self.kernel_size) / self.sigma_range**2
        logits = logits + spatial_logits(grid, size, self.kernel_size, logits) / self.sigma_space**2
        return softmax_over_valid_taps(logits, grid)


def colour_logits(
    fine: Float[Tensor, "b d H W"], coarse: Float[Tensor, "b d h w"], kernel_size: int
) -> Float[Tensor, "b 1 k k H W"]:
    """-|fine - coarse|^2 / 2 for each tap, up to a constant per output pixel."""
    centre = coarse.mean((2, 3), keepdim=True)  # small numbers lose fewer digits
    fine, coarse = fine - centre, coarse - centre
    energy = coarse.square().sum(1, keepdim=True) / 2
    queries = torch.cat([fine, -torch.ones_like(fine[:, :1])], 1)
    return correlate(queries, torch.cat([coarse, energy], 1), kernel_size)


def spatial_logits(
    grid: tuple[int, int], size: tuple[int, int], kernel_size: int, like: Tensor
) -> Float[Tensor, "1 1 k k H W"]:
    """-distance^2 / 2 from each output pixel's centre to each tap's, in input pixels."""
    squares = []
    for n_in, n_out in zip(grid, size, strict=True):
        taps = torch.arange(kernel_size, device=like.device)[:, None]
        taps = taps + window_start(n_in, n_out, kernel_size, like.device)
        twice_centres = 2 * torch.arange(n_out, device=like.device) + 1
        # Subtracted in integers, so that rounding is the same everywhere on the map.
        scaled_distances = (2 * taps + 1) * n_out - twice_centres * n_in
        distances = scaled_distances.to(like.dtype) / (2 * n_out)
        squares.append(distances.square() / 2)
    rows, columns = squares
    return -(rows[:, None, :, None] + columns[None, :, None, :])[None, None]
