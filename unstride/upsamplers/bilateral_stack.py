"""A stack of joint bilateral upsamplers with windows on the coarse grid, learned from the classic.

The published stack (featup.py) compares fine pixels with fine pixels and starts from uniform
weights. This one starts from the classic filter (Kopf et al. 2007), of which it learns the
widths, and adds to colour a learned likeness, as FeatUp does (Fu et al., "FeatUp", ICLR 2024,
arXiv:2403.10516, section 3.2). Three stages: from the backbone's grid to one `middle` times as
fine; a smoothing on that grid; from there to the size asked for.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import correlate, reassemble, spread_border
from unstride.upsamplers.base import Upsampler, required_guide, resized_guide
from unstride.upsamplers.joint_bilateral import colour_logits, softmax_over_taps, space_logits


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
        self.coarse = BilateralStage(5, sigma_space=0.45, sigma_range=0.5)
        self.smooth = BilateralStage(15, sigma_space=8.0, sigma_range=0.03)
        self.fine = BilateralStage(5, sigma_space=0.7, sigma_range=0.1)

    def forward(self, features, guide=None, size=None):
        """Coarse to middle, smooth, middle to fine; stages that have nothing to do are left out."""
        size = self.output_size(features, size)
        guide = required_guide(guide, features, "featup_jbu")
        h, w = features.shape[2:]
        middle = min(self.middle * h, size[0]), min(self.middle * w, size[1])
        at_middle = self.described(resized_guide(guide, middle))
        features = self.coarse(features, at_middle)
        weights = self.smooth.predict_weights(middle, at_middle)
        for _ in range(self.rounds):
            features = reassemble(features, weights)
        if middle != size:
            features = self.fine(features, self.described(resized_guide(guide, size)))
        return features

    def described(self, guide: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d H W"]:
        """Each pixel's colour, and behind it its key."""
        return torch.cat([guide, self.key(4 * (guide - 0.5))], 1)


class BilateralStage(nn.Module):
    """One joint bilateral step: near in space, alike in colour, alike in a learned key.

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
        self.key_weight = nn.Parameter(torch.tensor(0.0))

    def forward(
        self, features: Float[Tensor, "b c h w"], fine: Float[Tensor, "b d H W"]
    ) -> Float[Tensor, "b c H W"]:
        """The features on the grid of `fine`, which describes each of its pixels."""
        return reassemble(features, self.predict_weights(tuple(features.shape[2:]), fine))

    def predict_weights(
        self, grid: tuple[int, int], fine: Float[Tensor, "b d H W"]
    ) -> Float[Tensor, "b 1 k k H W"]:
        """A softmax over the taps on the map."""
        size, k = tuple(fine.shape[2:]), self.kernel_size
        coarse = resized_guide(fine, grid)
        logits = colour_logits(fine[:, :3], coarse[:, :3], k) * (-2 * self.log_sigma_range).exp()
        near = space_logits(grid, size, k, fine) * (-2 * self.log_sigma_space).exp()
        alike = correlate(fine[:, 3:] * self.key_weight, coarse[:, 3:], k)
        return softmax_over_taps(spread_border(logits + near + alike, grid, "exclude"))
