"""Contextual attention as released code computes it, for weights that were trained with it.

It keeps the faults of that code, which `unstride.ops.contextual_attention` lists, except that each
image has its own hole. All scores are held at once, so large images need much memory.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import fold, max_pool2d, pad, unfold

from unstride.precision import in_full_precision
from unstride.upsamplers.base import Upsampler

TEMPERATURE, MIN_NORM, RATE = 10.0, 1e-4, 2


class ReleasedAttention(nn.Module):
    """Contextual attention of released networks. It has no parameters.

    Args:
        aligned: resize by nearest neighbour with aligned corners, as TensorFlow's code does.
        propagate: whether scores are propagated.
        offset_norms: add 1e-4 to each squared element of a patch's norm, as PyTorch ports do;
            otherwise norms are at least 1e-4.
    """

    def __init__(self, *, aligned: bool, propagate: bool, offset_norms: bool):
        super().__init__()
        self.aligned, self.propagate, self.offset_norms = aligned, propagate, offset_norms

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        is_hole: Bool[Tensor, "b 1 H W"],
        size: tuple[int, int],
    ) -> Float[Tensor, "b c h w"]:
        """Rebuild all features from themselves.

        Args:
            features: of an image; sides must be even.
            is_hole: holes of the image, on a grid four times as fine.
            size: height and width of the image without padding, which does not matter.
        """
        del size
        grid = features.shape[2], features.shape[3]
        holes = self.resized(is_hole.to(features), grid)
        return self._attend(features, holes)

    @in_full_precision
    def _attend(self, features: Tensor, holes: Tensor) -> Tensor:
        h, w = features.shape[2:]
        grid = h // RATE, w // RATE
        patches = unfold(self.resized(features, grid), 3, padding=1)
        squares = patches.square() + (MIN_NORM if self.offset_norms else 0)
        norms = squares.sum(1, keepdim=True).sqrt()
        scores = patches.mT @ (patches / norms.clamp(min=MIN_NORM))
        if self.propagate:
            scores = _swap_axes(_add_diagonals(scores), grid)
            scores = _swap_axes(_add_diagonals(scores), grid[::-1])
        is_valid = max_pool2d(self.resized(holes, grid), 3, 1, 1).flatten(2) == 0
        weights = (scores * is_valid * TEMPERATURE).softmax(2) * is_valid
        pasted = unfold(features, 2 * RATE, padding=1, stride=RATE) @ weights.mT
        return fold(pasted, (h, w), 2 * RATE, padding=1, stride=RATE) / 4

    def resized(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps on a coarser grid, by nearest neighbour."""
        if self.aligned:
            return resize_nearest_aligned(maps, size)
        step = maps.shape[2] // size[0]
        return maps[:, :, ::step, ::step]


class AlignedNearest(Upsampler):
    """Nearest neighbour with aligned corners, as TensorFlow's code enlarges: convex."""

    def forward(self, features, guide=None, size=None):
        """Resize; the guide is not used."""
        del guide
        return resize_nearest_aligned(features, self.output_size(features, size))


def resize_nearest_aligned(
    maps: Float[Tensor, "b c h w"], size: tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """Take the nearest pixel, where the centres of the first and the last pixels coincide."""
    for axis, n in ((2, size[0]), (3, size[1])):
        step = (maps.shape[axis] - 1) / max(n - 1, 1)
        index = torch.arange(n, dtype=torch.float64) * step + 0.5
        maps = maps.index_select(axis, index.long().to(maps.device))
    return maps


def _add_diagonals(scores: Float[Tensor, "b p q"]) -> Float[Tensor, "b p q"]:
    """Add the scores one before and one after along places and sources; rows of a grid run on."""
    return scores + pad(scores[:, 1:, 1:], (0, 1, 0, 1)) + pad(scores[:, :-1, :-1], (1, 0, 1, 0))


def _swap_axes(scores: Float[Tensor, "b p q"], grid: tuple[int, int]) -> Float[Tensor, "b p q"]:
    """Number places and sources column by column, if they were numbered row by row."""
    y, x = grid
    return (
        scores.unflatten(1, (y, x)).unflatten(3, (y, x)).permute(0, 2, 1, 4, 3).reshape_as(scores)
    )
