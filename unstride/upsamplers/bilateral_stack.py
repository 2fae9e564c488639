"""A stack of joint bilateral upsamplers with windows on the coarse grid, learned from the classic.

The published stack (featup.py) compares fine pixels with fine pixels and starts from uniform
weights. This one starts from the classic filter (Kopf et al. 2007): from the backbone's grid
to one `middle` times as fine, almost bilinear; a strict smoothing on that grid, repeated; from
there to the size asked for. To the smoothing it adds a learned likeness of pixels, as FeatUp
does (Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.2). In the first stage such a
likeness lowered the consistency error and the segmentation probe alike, so there is none.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import correlate, reassemble, spread_border
from unstride.upsamplers.base import Upsampler, cells_under, required_guide, resized_guide
from unstride.upsamplers.joint_bilateral import colour_logits, softmax_over_taps, space_logits

KEY_START = 0.1  # of the usual size: at first the likeness hardly changes the classic filter

KEY_REACH = 2  # of the likeness's convolutions, in pixels of the middle grid


class BilateralStack(Upsampler):
    """Weights are convex: every stage is a softmax over taps on the map.

    Args:
        channels: channels c of the features; the parameters do not depend on it.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        middle: the grid of the smoothing, in cells per input pixel and axis; no finer than
            the output.
        rounds: how often it smooths, with the same weights.
        key_channels: dimensions of the learned likeness.
    """

    guide_channels = 3

    def __init__(
        self,
        channels: int,
        scale: int = 32,
        *,
        middle: int = 8,
        rounds: int = 4,
        key_channels: int = 32,
    ):
        super().__init__(channels, scale)
        self.middle, self.rounds = middle, rounds
        self.key = nn.Sequential(
            nn.Conv2d(3, key_channels, 3, padding=1, padding_mode="replicate"),
            nn.GELU(),
            nn.Conv2d(key_channels, key_channels, 3, padding=1, padding_mode="replicate"),
        )
        for p in self.key[-1].parameters():
            p.data *= KEY_START
        self.coarse = BilateralStage(5, sigma_space=0.45, sigma_range=0.5)
        self.smooth = BilateralStage(15, sigma_space=8.0, sigma_range=0.03)
        self.fine = BilateralStage(5, sigma_space=0.7, sigma_range=0.1)

    def halo(self, grid, size):
        """The windows of all stages, each on its grid; the key's are wider by its convolutions."""
        middle = self.middle_grid(grid, size)
        fine = 0 if middle == size else self.fine.kernel_size // 2
        smooth = self.rounds * (self.smooth.kernel_size // 2) + KEY_REACH
        return self.coarse.kernel_size // 2 + cells_under(fine + smooth, grid, middle)

    def middle_grid(self, grid: Sequence[int], size: tuple[int, int]) -> tuple[int, int]:
        """The grid of the smoothing."""
        return min(self.middle * grid[0], size[0]), min(self.middle * grid[1], size[1])

    def forward(self, features, guide=None, size=None):
        """Coarse to middle, smooth, middle to fine; stages that have nothing to do are left out."""
        size = self.output_size(features, size)
        guide = required_guide(guide, features, 3, "featup_jbu")
        middle = self.middle_grid(features.shape[2:], size)
        at_middle = resized_guide(guide, middle)
        features = self.coarse(features, at_middle)
        weights = self.smooth.predict_weights(middle, at_middle, self.key(4 * (at_middle - 0.5)))
        for _ in range(self.rounds):
            features = reassemble(features, weights)
        if middle != size:
            features = self.fine(features, resized_guide(guide, size))
        return features


class BilateralStage(nn.Module):
    """One joint bilateral step: near in space, alike in colour, and alike in a key if given.

    Args:
        kernel_size: side k of the window, in pixels of the coarser grid.
        sigma_space: width of the spatial Gaussian at the start, in the same unit.
        sigma_range: width of the colour Gaussian at the start, where colours are in [0, 1].
    """

    def __init__(self, kernel_size: int, *, sigma_space: float, sigma_range: float):
        super().__init__()
        self.kernel_size = kernel_size
        self.log_sigma_space = nn.Parameter(torch.tensor(math.log(sigma_space)))
        self.log_sigma_range = nn.Parameter(torch.tensor(math.log(sigma_range)))

    def forward(
        self, features: Float[Tensor, "b c h w"], guide: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, "b c H W"]:
        """The features on the guide's grid."""
        return reassemble(
            features, self.predict_weights((features.shape[2], features.shape[3]), guide)
        )

    def predict_weights(
        self,
        grid: tuple[int, int],
        guide: Float[Tensor, "b 3 H W"],
        key: Float[Tensor, "b d H W"] | None = None,
    ) -> Float[Tensor, "b 1 k k H W"]:
        """A softmax over the taps on the map, which are pixels of `grid`."""
        size, k = (guide.shape[2], guide.shape[3]), self.kernel_size
        logits = colour_logits(guide, resized_guide(guide, grid), k)
        logits = logits * (-2 * self.log_sigma_range).exp()
        logits = logits + space_logits(grid, size, k, guide) * (-2 * self.log_sigma_space).exp()
        if key is not None:
            logits = logits + correlate(key, resized_guide(key, grid), k)
        return softmax_over_taps(spread_border(logits, grid, "exclude"))
