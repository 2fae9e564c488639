"""A stack of joint bilateral upsamplers, guided by colours and by learned pixel keys.

The published stack (featup.py) compares fine pixels with fine pixels by their colours and starts
from uniform weights. This one starts from the classic filter (Kopf et al. 2007): from the
backbone's grid to a middle grid of about four pixels, almost bilinear; a strict smoothing there,
repeated; from there to the size asked for. The smoothing compares colours, and keys that know
objects (pixel_keys.py). docs/featup.md has what was tried, and what each part is worth.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble, spread_border
from unstride.ops.softmax import softmax_over_taps
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import (
    check_guide,
    resize_guide,
)
from unstride.upsamplers.joint_bilateral import (
    colour_logits,
    spatial_logits,
)
from unstride.upsamplers.pixel_keys import KEY_STRIDE, PixelKeys
from unstride.upsamplers.resize import cells_covering

SHARPNESS = 2.0  # how much stricter than likely the smoothing is: factor of all distances


class BilateralStack(Upsampler):
    """Weights are convex: every stage is a softmax over taps on the map.

    Args:
        channels: channels c of the features; the parameters do not depend on it.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        middle: the grid of the smoothing, in cells per input pixel and axis; by default about a
            quarter of the guide's pixels, as many as there are keys; no finer than the output.
        rounds: how often it smooths, with the same weights.
        key_channels: dimensions of the learned keys; 0 for colours alone.
    """

    guide_channels = 3

    def __init__(
        self,
        channels: int,
        scale: int = 32,
        *,
        middle: int | None = None,
        rounds: int = 8,
        key_channels: int = 32,
    ):
        super().__init__(channels, scale)
        self.middle, self.rounds = middle, rounds
        self.coarse = BilateralStage(5, sigma_space=0.45, sigma_range=0.5)
        self.smooth = BilateralStage(
            15, sigma_space=8.0, sigma_range=0.1 if key_channels else 0.06, sharpness=SHARPNESS
        )
        self.fine = BilateralStage(5, sigma_space=0.7, sigma_range=0.1)
        self.keys = PixelKeys(key_channels) if key_channels else None

    def forward(self, features, guide=None, size=None, described=None):
        """Coarse to middle, smooth, middle to fine; stages that have nothing to do are left out."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_jbu")
        middle = self.middle_grid(features.shape[2:], size, guide.shape[2:])
        at_middle = resize_guide(guide, middle)
        keys = self.keys_on(middle, guide) if described is None else described
        features = self.coarse(features, at_middle)
        weights = self.smooth.predict_weights(middle, at_middle, keys)
        for _ in range(self.rounds):
            features = reassemble(features, weights)
        if middle != size:
            features = self.fine(features, resize_guide(guide, size))
        return features

    def keys_on(
        self, middle: tuple[int, int], guide: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b d H W"] | None:
        """Keys of the pixels of the middle grid."""
        return None if self.keys is None else resize_guide(self.keys(guide), middle)

    def describe(self, guide, grid, size):
        """The keys; they see far, and their grid is the whole image's."""
        return self.keys_on(self.middle_grid(grid, size, guide.shape[2:]), guide)

    def halo(self, grid, size, seen=None):
        """The windows of all stages, each on its grid."""
        middle = self.middle_grid(grid, size, seen or size)
        fine = 0 if middle == size else self.fine.kernel_size // 2
        smooth = self.rounds * (self.smooth.kernel_size // 2)
        return self.coarse.kernel_size // 2 + cells_covering(fine + smooth, grid, middle)

    def middle_grid(
        self, grid: Sequence[int], size: tuple[int, int], seen: Sequence[int]
    ) -> tuple[int, int]:
        """The grid of the smoothing, for a guide of `seen` rows and columns."""
        cells = self.middle
        if cells is None:
            ratio = math.sqrt(seen[0] * seen[1] / (grid[0] * grid[1]))
            cells = max(round(ratio / KEY_STRIDE), 1)
        return min(cells * grid[0], size[0]), min(cells * grid[1], size[1])


class BilateralStage(nn.Module):
    """One joint bilateral step: near in space, alike in colour, and alike in keys if given.

    Args:
        kernel_size: side k of the window, in pixels of the coarser grid.
        sigma_space: width of the spatial Gaussian at the start, in the same unit.
        sigma_range: width of the colour Gaussian at the start, where colours are in [0, 1].
        sharpness: factor of the distances between colours and between keys.
    """

    def __init__(
        self, kernel_size: int, *, sigma_space: float, sigma_range: float, sharpness: float = 1.0
    ):
        super().__init__()
        self.kernel_size, self.sharpness = kernel_size, sharpness
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
        keys: Float[Tensor, "b d H W"] | None = None,
    ) -> Float[Tensor, "b 1 k k H W"]:
        """A softmax over the taps on the map, which are pixels of `grid`."""
        size, k = (guide.shape[2], guide.shape[3]), self.kernel_size
        seen = self.described(guide, keys) * self.sharpness
        logits = colour_logits(seen, resize_guide(seen, grid), k)
        logits = logits + spatial_logits(grid, size, k, guide) * (-2 * self.log_sigma_space).exp()
        return softmax_over_taps(spread_border(logits, grid, "exclude"))

    def described(
        self, guide: Float[Tensor, "b 3 H W"], keys: Float[Tensor, "b d H W"] | None
    ) -> Float[Tensor, "b e H W"]:
        """What pixels are compared in: colours in units of their width, and keys."""
        colours = guide * (-self.log_sigma_range).exp()
        return colours if keys is None else torch.cat([colours, keys], 1)
