"""NAF: predicts from the image alone which cells to mix, so one model serves every backbone.

Chambon, Couairon, Zablocki, Boulch, Thome, Cord, "NAF: Zero-Shot Feature Upsampling via
Neighborhood Attention Filtering", CVPR 2026, arXiv:2511.18452, with the sizes of the released
code (github.com/valeoai/NAF). Code and weights (naf_release.pth, for `naf_from_published`) are the
authors', under Apache-2.0; neither is shipped here.

Neighbourhoods are those of their code (NATTEN): at the border they are shifted inwards, not cut
off. Three things differ. Cells are found by coordinates, so every size has its exact
neighbourhood, where their code rounds the ratio down; integer ratios agree. Grids of fewer than 9
cells and numbers of channels that 4 does not divide work here and are refused there. And in
training they scale the coordinates at random, by 1/2 to 2; here that is left to the recipe.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.ops import correlate, reassemble
from unstride.ops.average_pool import average_to_size
from unstride.ops.softmax import softmax_within_bounds
from unstride.ops.window import window_start
from unstride.saving.argument_ranges import PositiveInt
from unstride.transforms.imagenet import normalise_imagenet
from unstride.upsamplers.base import Reassembly
from unstride.upsamplers.guide import check_guide
from unstride.upsamplers.image_check import ImageCheck
from unstride.upsamplers.layers import PreActBlock, apply_rope, reflect_padded_conv
from unstride.upsamplers.published_state import check_state_dict

WIDTH = 256  # channels in which pixels are compared
HEADS = 4
NEIGHBOURHOOD_SIDE = 9  # in cells
MAX_OVERSAMPLING = 4  # image pixels per output pixel and axis; larger images are reduced to it
ROPE_BASE = 100.0  # longest period of the rotary positions, in half sides of the map; shortest: 1


class NAF(Reassembly):
    """Weights are convex: a softmax over the nearest 9 x 9 cells, for each quarter of channels.

    Args:
        channels: channels c of the features; the parameters do not depend on it.
        scale: output pixels per input pixel, along each axis, unless a size is given.
    """

    guide_channels = 3

    def __init__(self, channels: PositiveInt, scale: PositiveInt = 16):
        super().__init__(channels, scale)
        self.check_image = ImageCheck("guide")
        self.pixels, self.patches = _image_encoder(kernel_size=1), _image_encoder(kernel_size=3)

    def forward(self, features, guide=None, size=None):
        """Head by head, so that the weights of only one head are in memory at a time.

        An exported graph has all heads together, because its nodes are then a quarter.
        """
        if torch.compiler.is_exporting() and features.shape[1] % HEADS == 0:
            return super().forward(features, guide, size)
        size = self.output_size(features, size)
        heads = self.predict_head_queries(features, guide, size).unbind(1)
        grid = features.shape[2], features.shape[3]
        parts = zip(heads, split_by_head(features), strict=True)
        return torch.cat(
            [reassemble(c, self.predict_head_weights(q, grid)) for q, c in parts if c.shape[1]], 1
        )

    def predict_weights(self, features, guide, size):
        """The weights of all heads; `forward` holds them together only while it is exported."""
        queries = self.predict_head_queries(features, guide, size)
        grid = features.shape[2], features.shape[3]
        weights = self.predict_head_weights(queries.flatten(0, 1), grid)
        return weights[:, 0].unflatten(0, queries.shape[:2])

    def predict_head_queries(
        self, features: Tensor, guide: Tensor | None, size: tuple[int, int]
    ) -> Float[Tensor, "b n d H W"]:
        """The query of each output pixel in each head, before rotary positions."""
        image = check_guide(guide, features, 3, "naf")
        self.check_image(image)
        image = normalise_imagenet(image)
        h, w = image.shape[2:]
        if h > MAX_OVERSAMPLING * size[0] or w > MAX_OVERSAMPLING * size[1]:
            limit = MAX_OVERSAMPLING * min(size)
            reduced = min(h, limit), min(w, limit)
            image = interpolate(image, reduced, mode="bilinear", align_corners=False)
        maps = torch.cat([self.pixels(image), self.patches(image)], 1)
        return average_to_size(maps, size).unflatten(1, (HEADS, -1))

    def predict_head_weights(
        self, queries: Float[Tensor, "b d H W"], grid: tuple[int, int]
    ) -> Float[Tensor, "b 1 k k H W"]:
        """The weights of one head. The keys are the means of the queries over each cell."""
        size = queries.shape[2], queries.shape[3]
        queries = apply_rope(queries, rope_angles(size, queries))
        keys = average_to_size(queries, grid) / math.sqrt(queries.shape[1])
        # In a corner, the whole neighbourhood lies to one side.
        is_large = grid[0] >= NEIGHBOURHOOD_SIDE or grid[1] >= NEIGHBOURHOOD_SIDE
        radius = (NEIGHBOURHOOD_SIDE if is_large else int(max(grid))) - 1
        scores = correlate(queries, keys, 2 * radius + 1)
        rows, columns = (
            neighbourhood_bounds(n, m, queries.device) for n, m in zip(grid, size, strict=True)
        )
        return softmax_within_bounds(scores, grid, rows, columns)


def _image_encoder(kernel_size: int) -> nn.Sequential:
    half = WIDTH // 2
    return nn.Sequential(
        reflect_padded_conv(3, half, kernel_size, bias=True),
        *(PreActBlock(half, kernel_size, bias=True, residual=False) for _ in range(2)),
    )


def split_by_head(features: Float[Tensor, "b c h w"]) -> list[Tensor]:
    """Split channels: channel i of c goes to head floor(4 i / c). If c < 4, some heads get none."""
    ends = [-(-head * features.shape[1] // HEADS) for head in range(HEADS + 1)]
    return [features[:, ends[i] : ends[i + 1]] for i in range(HEADS)]


def neighbourhood_bounds(
    cells: int, pixels: int, device: torch.device
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """The nine cells around each pixel's cell, along one axis, moved onto the map: [first, end)."""
    own = window_start(cells, pixels, 1, device)
    first = (own - NEIGHBOURHOOD_SIDE // 2).clamp(0, max(cells - NEIGHBOURHOOD_SIDE, 0))
    return first, (first + NEIGHBOURHOOD_SIDE).clamp(max=cells)


def rope_angles(size: tuple[int, int], queries: Tensor) -> Float[Tensor, "d H W"]:
    """Angles of the rotary positions: a quarter of the channels rotates with y, a quarter with x.

    The other half are their partners. Coordinates run over [-1, 1] at every size.
    """
    quarter = queries.shape[1] // 4
    periods = ROPE_BASE ** (torch.arange(quarter, device=queries.device) / quarter)
    angles = []
    for n in size:
        centres = (2 * torch.arange(n, device=queries.device) + 1) / n - 1
        angles.append(2 * math.pi * centres / periods[:, None])
    rows, columns = angles
    rows, columns = rows[:, :, None].expand(-1, *size), columns[:, None, :].expand(-1, *size)
    return torch.cat([rows, columns, rows, columns]).to(queries.dtype)


def naf_from_published(
    state_dict: Mapping[str, Tensor], channels: int = 384, scale: int = 16
) -> NAF:
    """The model with the authors' weights, which work for features of any number of channels.

    Args:
        state_dict: of the authors' file naf_release.pth.
        channels: channels c of the features.
        scale: output pixels per input pixel, unless a size is given.

    Raises:
        ValueError: if the file is a different one.
    """
    up = NAF(channels, scale)
    own_names = {_published_key(name): name for name in up.state_dict()}  # by published key
    shapes = {key: tuple(up.get_parameter(name).shape) for key, name in own_names.items()}
    periods = {"image_encoder.rope.periods": (WIDTH // HEADS // 4,)}  # always the same numbers
    check_state_dict(state_dict, shapes | periods)
    up.load_state_dict({name: state_dict[key] for key, name in own_names.items()})
    return up


def _published_key(name: str) -> str:
    branch, layer, *rest = name.split(".")
    parts = ["image_encoder", {"pixels": "encoder", "patches": "sem_encoder"}[branch], layer]
    if len(rest) == 3:
        parts.append({"0": "norm1", "2": "conv1", "3": "norm2", "5": "conv2"}[rest[1]])
    return ".".join([*parts, rest[-1]])
