"""A stack of joint bilateral upsamplers, guided by colours and by learned pixel keys.

The published stack (featup.py) compares fine pixels with fine pixels by their colours, and its
training starts from uniform weights. This one starts from the classic filter (Kopf et al. 2007).
It goes from the backbone's grid to a middle grid with cells of about four pixels, almost
bilinearly; smooths there strictly and repeatedly; and goes from there to the requested size. The
smoothing compares colours, and keys that tell objects apart (pixel_keys.py). docs/featup.md
reports what was tried, and what each part contributes.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble
from unstride.ops.softmax import softmax_over_valid_taps
from unstride.saving.argument_ranges import NonNegativeInt, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.image_check import ImageCheck
from unstride.upsamplers.joint_bilateral import colour_logits, spatial_logits
from unstride.upsamplers.pixel_keys import KEY_STRIDE, PixelKeys
from unstride.upsamplers.resize import cells_covering

SHARPNESS = 2.0  # factor of all distances in the smoothing: stricter than the likelihood


class BilateralStack(Upsampler):
    """Weights are convex: every stage is a softmax over the taps on the map.

    Args:
        channels: channels c of the features; the parameters do not depend on it.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        middle: grid of the smoothing, in cells per input pixel and axis; no finer than the
            output. Default: about a quarter of the guide's pixels, which is the keys' grid.
        rounds: number of smoothing steps, all with the same weights.
        key_channels: dimensions of the learned keys; 0 compares colours alone.
    """

    guide_channels = 3

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 32,
        *,
        middle: PositiveInt | None = None,
        rounds: NonNegativeInt = 8,
        key_channels: NonNegativeInt = 32,
    ):
        super().__init__(channels, scale)
        self.check_image = ImageCheck("guide")
        self.middle, self.rounds = middle, rounds
        self.coarse = BilateralStage(5, sigma_space=0.45, sigma_range=0.5)
        self.smooth = BilateralStage(
            15, sigma_space=8.0, sigma_range=0.1 if key_channels else 0.06, sharpness=SHARPNESS
        )
        self.fine = BilateralStage(5, sigma_space=0.7, sigma_range=0.1)
        self.keys = PixelKeys(key_channels) if key_channels else None

    def forward(self, features, guide=None, size=None, guide_features=None):
        """Coarse to middle, smooth, middle to fine; the last is skipped if there is no finer grid.

        Args:
            features, guide, size: as in `Upsampler.forward`.
            guide_features: as returned by `encode_guide`. Default: computed from the guide.
        """
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_jbu")
        self.check_image(guide)
        middle = self.middle_grid(features.shape[2:], size, guide.shape[2:])
        at_middle = resize_guide(guide, middle)
        keys = self.keys_at(middle, guide) if guide_features is None else guide_features
        features = self.coarse(features, at_middle)
        weights = self.smooth.predict_weights(middle, at_middle, keys)
        for _ in range(self.rounds):
            features = reassemble(features, weights)
        if middle != size:
            features = self.fine(features, resize_guide(guide, size))
        return features

    def keys_at(
        self, middle: tuple[int, int], guide: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b d H W"] | None:
        """Keys of the pixels of the middle grid; None without learned keys."""
        return None if self.keys is None else resize_guide(self.keys(guide), middle)

    def encode_guide(self, guide, grid, size):
        """The keys: their receptive field is large, and their grid depends on the whole image."""
        return self.keys_at(self.middle_grid(grid, size, guide.shape[2:]), guide)

    def halo(self, grid, size, guide_size=None):
        """The windows of all stages, each on its own grid."""
        middle = self.middle_grid(grid, size, guide_size or size)
        fine = 0 if middle == size else self.fine.kernel_size // 2
        smooth = self.rounds * (self.smooth.kernel_size // 2)
        return self.coarse.kernel_size // 2 + cells_covering(fine + smooth, grid, middle)

    def middle_grid(
        self, grid: Sequence[int], size: tuple[int, int], guide_size: Sequence[int]
    ) -> tuple[int, int]:
        """The grid of the smoothing, for a guide of `guide_size`."""
        cells = self.middle
        if cells is None:
            cells = 1  # max(1, round(sqrt(pixels / area) / KEY_STRIDE)), by comparisons alone:
            pixels, area = guide_size[0] * guide_size[1], grid[0] * grid[1]
            while 4 * pixels > ((2 * cells + 1) * KEY_STRIDE) ** 2 * area - cells % 2:
                cells += 1  # they leave an exported graph's sizes free; a half goes to the even one
        return min(cells * grid[0], size[0]), min(cells * grid[1], size[1])


class BilateralStage(nn.Module):
    """One joint bilateral step: weights from distances in space, colour and, if given, keys.

    Args:
        kernel_size: side k of the window, in pixels of the coarser grid.
        sigma_space: initial width of the spatial Gaussian, in pixels of the coarser grid.
        sigma_range: initial width of the colour Gaussian, for colours in [0, 1].
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
        grid = features.shape[2], features.shape[3]
        return reassemble(features, self.predict_weights(grid, guide))

    def predict_weights(
        self,
        grid: tuple[int, int],
        guide: Float[Tensor, "b 3 H W"],
        keys: Float[Tensor, "b d H W"] | None = None,
    ) -> Float[Tensor, "b 1 k k H W"]:
        """A softmax over the taps on the map; taps are pixels of `grid`."""
        size, k = (guide.shape[2], guide.shape[3]), self.kernel_size
        descriptors = self.pixel_descriptors(guide, keys) * self.sharpness
        logits = colour_logits(descriptors, resize_guide(descriptors, grid), k)
        logits = logits + spatial_logits(grid, size, k, guide) * (-2 * self.log_sigma_space).exp()
        return softmax_over_valid_taps(logits, grid)

    def pixel_descriptors(
        self, guide: Float[Tensor, "b 3 H W"], keys: Float[Tensor, "b d H W"] | None
    ) -> Float[Tensor, "b e H W"]:
        """The vectors that pixels are compared by: colours in units of `sigma_range`, and keys."""
        colours = guide * (-self.log_sigma_range).exp()
        return colours if keys is None else torch.cat([colours, keys], 1)
