"""Predicts sampling positions instead of weights: each output pixel is a bilinear sample.

Liu, Lu, Fu, Cao, "Learning to Upsample by Learning to Sample", ICCV 2023, arXiv:2308.15085,
sections 3.2 and 3.3. Parameters have the names of the released code (MIT), whose state dicts
load. If the size is not `scale` times the grid, offsets still start at each output pixel's centre.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample, pixel_shuffle

from unstride.saving.argument_ranges import ChannelDivisor, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.resize import resize_nearest, shuffle_to_size

STATIC_SCOPE, DYNAMIC_SCOPE = 0.25, 0.5  # a sigmoid starts at 1/2, so both start alike


class DySample(Upsampler):
    """Weights are convex: bilinear between the four pixels around a predicted position.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        style: "lp" predicts positions on the coarse grid, then pixel-shuffles them; "pl"
            pixel-shuffles the features first, which needs channels divisible by scale^2.
        groups: sets of positions, each for channels/groups neighbouring channels.
        dynamic_scope: whether the range of the offsets is predicted too ("+" in the paper).
        scope_bias: whether that prediction has a bias. The first released files have one, later
            ones do not.
    """

    fixed_channels, starts = True, ("bilinear",)

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        style: Literal["lp", "pl"] = "lp",
        groups: ChannelDivisor = 4,
        dynamic_scope: bool = False,
        scope_bias: bool = True,
    ):
        super().__init__(channels, scale)
        if style == "pl" and channels % scale**2:
            raise ValueError(
                f"channels must be divisible by scale^2 = {scale**2} for style 'pl', got {channels}"
            )
        self.style, self.groups = style, groups
        in_channels, out_channels = channels, 2 * groups * scale**2
        if style == "pl":
            in_channels, out_channels = channels // scale**2, 2 * groups
        self.offset = nn.Conv2d(in_channels, out_channels, 1)
        self.scope = (
            nn.Conv2d(in_channels, out_channels, 1, bias=scope_bias) if dynamic_scope else None
        )
        nn.init.normal_(self.offset.weight, std=0.001)
        for layer in (self.offset, self.scope):
            if layer is not None and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if self.scope is not None:
            nn.init.zeros_(self.scope.weight)
        self.register_load_state_dict_pre_hook(_drop_init_pos)

    def forward(self, features, guide=None, size=None):
        """Sample at the output pixels' centres plus the predicted offsets."""
        del guide
        size = self.output_size(features, size)
        offsets = self.predict_offsets(features, size).unflatten(1, (2, self.groups))
        return sample_at_offsets(features, offsets.transpose(1, 2))

    def predict_offsets(self, features, size) -> Float[Tensor, "b n H W"]:
        """Offsets of the sampling positions, (x for every group, then y), in input pixels."""
        x = pixel_shuffle(features, self.scale) if self.style == "pl" else features
        offsets = self.offset(x)
        if self.scope is None:
            offsets = STATIC_SCOPE * offsets
        else:
            offsets = DYNAMIC_SCOPE * self.scope(x).sigmoid() * offsets
        if self.style == "pl":
            return resize_nearest(offsets, size)
        return shuffle_to_size(offsets, self.scale, size)


def sample_at_offsets(
    features: Float[Tensor, "b c h w"], offsets: Float[Tensor, "b g 2 H W"]
) -> Float[Tensor, "b c H W"]:
    """Sample features bilinearly at the output pixels' centres plus offsets (x, y).

    Offsets are in input pixels. Beyond the border, the outermost pixel is repeated. With offsets
    of zero this is bilinear interpolation.
    """
    (b, _, h, w), (g, _, H, W) = features.shape, offsets.shape[1:]
    xy = offsets.flatten(0, 1)
    y = (torch.arange(H, device=xy.device, dtype=xy.dtype) + 0.5) * (2 / H) - 1
    x = (torch.arange(W, device=xy.device, dtype=xy.dtype) + 0.5) * (2 / W) - 1
    grid = torch.stack([xy[:, 0] * (2 / w) + x, xy[:, 1] * (2 / h) + y[:, None]], -1)
    fine = grid_sample(
        features.unflatten(1, (g, -1)).flatten(0, 1), grid, "bilinear", "border", False
    )
    return fine.unflatten(0, (b, g)).flatten(1, 2)


def _drop_init_pos(module, state_dict, prefix, *_) -> None:
    """Drop the sub-pixels' centres, which the released code stores; here the size gives them."""
    state_dict.pop(f"{prefix}init_pos", None)
