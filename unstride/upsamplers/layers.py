"""What NAF and AnyUp are both made of: an encoder, rotary positions, attention within bounds."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unstride.ops.window import window_start
from unstride.upsamplers.featup import IMAGENET_MEAN, IMAGENET_STD
from unstride.upsamplers.joint_bilateral import softmax_over_taps

NORM_GROUPS = 8


class Block(nn.Module):
    """Norm, SiLU and convolution, twice; with `residual`, its input is added.

    Args:
        channels: in and out.
        kernel_size: side of both convolutions.
        bias: of the convolutions.
        residual: if the result is a correction of the input.
    """

    def __init__(self, channels: int, kernel_size: int, *, bias: bool, residual: bool):
        super().__init__()
        self.residual = residual
        self.block = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, channels), nn.SiLU(),
            reflecting_conv(channels, channels, kernel_size, bias=bias),
            nn.GroupNorm(NORM_GROUPS, channels), nn.SiLU(),
            reflecting_conv(channels, channels, kernel_size, bias=bias),
        )  # fmt: skip

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Another map on the same grid."""
        return maps + self.block(maps) if self.residual else self.block(maps)


def reflecting_conv(inputs: int, outputs: int, kernel_size: int, *, bias: bool) -> nn.Conv2d:
    """A convolution that keeps the grid; beyond the border it sees the mirrored map."""
    if kernel_size == 1:
        return nn.Conv2d(inputs, outputs, 1, bias=bias)  # reflecting nothing would copy the map
    margin = kernel_size // 2
    return nn.Conv2d(
        inputs, outputs, kernel_size, padding=margin, padding_mode="reflect", bias=bias
    )


def imagenet_normalised(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """RGB in [0, 1] as most image models were trained to see it."""
    mean, std = (image.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (image - mean) / std


def rotated(
    maps: Float[Tensor, "b d h w"], angles: Float[Tensor, "d h w"]
) -> Float[Tensor, "b d h w"]:
    """Rotary positions: channel i and its partner i + d/2 turn by angles that the place sets.

    Where the two angles of a pair agree, it is a rotation and norms are kept.
    """
    first, second = maps.chunk(2, 1)
    return maps * angles.cos() + torch.cat([-second, first], 1) * angles.sin()


def softmax_within(
    scores: Float[Tensor, "b g k k H W"],
    grid: tuple[int, int],
    rows: tuple[Int[Tensor, " H"], Int[Tensor, " H"]],
    columns: tuple[Int[Tensor, " W"], Int[Tensor, " W"]],
) -> Float[Tensor, "b g k k H W"]:
    """Weights that sum to one over the cells within bounds, and are zero elsewhere.

    Args:
        scores: as `correlate` returns them; overwritten, since they can be large.
        grid: rows and columns (h, w) of the cells.
        rows: the first row of cells for each output row, and the one after the last.
        columns: likewise; no bounds lie beyond the window, or beyond the map.
    """
    k = scores.shape[2]
    for axis, (first, end) in enumerate((rows, columns)):
        start = window_start(grid[axis], scores.shape[4 + axis], k, scores.device)
        taps = start + torch.arange(k, device=scores.device)[:, None]
        outside = (taps < first) | (taps >= end)
        outside = outside[:, None, :, None] if axis == 0 else outside[:, None, :]
        scores = scores.masked_fill_(outside, -torch.inf)
    return softmax_over_taps(scores)


def check_published(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a state_dict that is not the published one, in a sentence with the first such key."""
    for key, shape in shapes.items():
        if key not in state:
            raise ValueError(f"the file must hold {key} of shape {shape}, but it has no such entry")
        if tuple(state[key].shape) != shape:
            raise ValueError(f"{key} must be of shape {shape}, got {tuple(state[key].shape)}")
    for key in state:
        if key not in shapes:
            raise ValueError(f"{key} is no entry of the published file, which has {len(shapes)}")
