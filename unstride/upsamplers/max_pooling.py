"""Max pooling and unpooling, as rules for weights."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from unstride.ops.window import ceil_div, window_start
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.base import Downsampler, Reassembly
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.resize import resize_nearest


class MaxPool(Downsampler):
    """Weights are convex: all weight goes to the largest value of each window and channel."""

    def predict_weights(self, features, size):
        """One at the maximum, the first if there are several; zero elsewhere."""
        s, margin = self.scale, self.scale // 2
        rows, columns = (
            window_start(n_in, n_out, s, features.device)
            + torch.arange(s, device=features.device)[:, None]
            + margin
            for n_in, n_out in zip(features.shape[2:], size, strict=True)
        )
        padded = pad(features.detach(), (margin,) * 4, value=-torch.inf)
        windows = padded[:, :, rows[:, None, :, None], columns[None, :, None, :]].flatten(2, 3)
        first = windows.argmax(2, keepdim=True)
        return torch.zeros_like(windows).scatter(2, first, 1.0).unflatten(2, (s, s))


class MaxUnpool(Reassembly):
    """Nearest neighbour where the guide had its maximum, zero elsewhere: not convex.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the features that were pooled; must be `channels`.
    """

    fixed_channels = True

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt | None = None,
    ):
        super().__init__(channels, scale)
        self.guide_channels = channels
        if guide_channels not in (None, channels):
            raise ValueError(
                f"guide_channels must be the {channels} channels of the features, "
                f"got {guide_channels}"
            )

    def halo(self, grid, size, guide_size=None):
        """Zero, since cells do not depend on each other."""
        return 0

    def predict_weights(self, features, guide, size):
        """One at the maximum of each cell of the guide, zero elsewhere."""
        guide = check_guide(guide, features, self.channels, "max_unpool")
        h, w = features.shape[2:]
        guide = resize_guide(guide, (h * self.scale, w * self.scale))
        return resize_nearest(argmax_mask(guide, self.scale), size)[:, :, None, None]


def argmax_mask(fine: Float[Tensor, "b c H W"], scale: int) -> Float[Tensor, "b c H W"]:
    """One at the maximum of each cell, the first if there are several; zero elsewhere."""
    h, w = fine.shape[2:]
    whole = ceil_div(h, scale) * scale, ceil_div(w, scale) * scale
    _, places = max_pool2d(fine, scale, ceil_mode=True, return_indices=True)
    marks = torch.zeros_like(fine).flatten(2).scatter(2, places.flatten(2), 1.0)
    return pad(marks.view_as(fine), (0, whole[1] - w, 0, whole[0] - h))
