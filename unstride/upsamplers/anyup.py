"""AnyUp: one model for every backbone; its keys see the features through shared filters.

Wimmer et al., "AnyUp: Universal Feature Upsampling", ICLR 2026, arXiv:2510.12764, with the
sizes of the authors' code (github.com/wimmerth/anyup). Code and weights (anyup_paper.pth and
anyup_multi_backbone.pth, for `anyup_from_published`) are theirs, under CC-BY-4.0: credit them
where you use the weights. Neither is shipped here.

The filters of the keys respond to each channel of the features. A softmax over the filters
follows, then the mean over the channels. The released code writes this tensor in one order and
reads it in another, with filters and channels partly exchanged: its softmax also runs over
channels, and their order matters. Its weights were trained that way, so `anyup_from_published`
sets `released_order`. What its attention computes and then drops (values and their projection)
is left out here.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import conv2d, normalize

from unstride.ops import correlate
from unstride.ops.average_pool import average_to_size
from unstride.ops.softmax import softmax_within_bounds
from unstride.saving.argument_ranges import PositiveInt
from unstride.transforms.imagenet import normalise_imagenet
from unstride.upsamplers.base import Reassembly
from unstride.upsamplers.guide import check_guide
from unstride.upsamplers.image_check import ImageCheck
from unstride.upsamplers.layers import PreActBlock, RMSNorm, apply_rope, reflect_padded_conv
from unstride.upsamplers.published_state import check_state_dict

WIDTH = 128  # channels in which pixels are compared
HEADS = 4
FILTER_SIDE = 5  # side of the filters over the features, in cells
WINDOW_RATIO = 0.1  # reach of the attention window to either side, as a share of the map's side
ROPE_BASE = 100.0  # longest period of the rotary positions, in sides of the map; the shortest is 1

PUBLISHED_KEYS = {
    "frequencies": "rope.freqs",
    "smooth.weight": "cross_decode.conv2d.weight",
    "to_queries.0.weight": "cross_decode.cross_attn.norm_q.weight",
    "to_keys.0.weight": "cross_decode.cross_attn.norm_k.weight",
}
ATTENTION_PREFIX = "cross_decode.cross_attn.attention"
PUBLISHED_ATTENTION_SHAPES: dict[str, tuple[int, ...]] = {
    f"{ATTENTION_PREFIX}.in_proj_weight": (3 * WIDTH, WIDTH),  # queries, keys; values are not used
    f"{ATTENTION_PREFIX}.in_proj_bias": (3 * WIDTH,),
    f"{ATTENTION_PREFIX}.out_proj.weight": (WIDTH, WIDTH),  # not used
    f"{ATTENTION_PREFIX}.out_proj.bias": (WIDTH,),  # not used
}


class AnyUp(Reassembly):
    """Weights are convex: a softmax over cells within a tenth of the map, averaged over heads.

    Args:
        channels: channels c of the features; the parameters do not depend on it.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        released_order: whether filters and channels are ordered as in the released code, which
            the published weights need.
    """

    guide_channels = 3

    def __init__(
        self, channels: PositiveInt, scale: PositiveInt = 16, *, released_order: bool = False
    ):
        super().__init__(channels, scale)
        self.check_image = ImageCheck("guide")
        self.image_encoder = _residual_encoder(reflect_padded_conv(3, WIDTH, 1, bias=False))
        self.query_encoder = _residual_encoder(reflect_padded_conv(WIDTH, WIDTH, 1, bias=False))
        self.key_encoder = _residual_encoder(reflect_padded_conv(WIDTH, WIDTH, 1, bias=False))
        self.key_features_encoder = _residual_encoder(FeatureUnification(released_order))
        self.aggregation = _residual_encoder(reflect_padded_conv(2 * WIDTH, WIDTH, 3, bias=False))
        self.smooth = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.to_queries = nn.Sequential(RMSNorm(WIDTH), nn.Linear(WIDTH, WIDTH))
        self.to_keys = nn.Sequential(RMSNorm(WIDTH), nn.Linear(WIDTH, WIDTH))
        self.frequencies = nn.Parameter(initial_rope_frequencies())

    def forward(self, features, guide=None, size=None):
        """Reassemble. A graph for any grid has no windows, since their side depends on the grid."""
        if torch.compiler.is_exporting() and not all(isinstance(n, int) for n in features.shape):
            size = self.output_size(features, size)
            queries, keys = self.embed(features, guide, size)
            return attend_within_bounds(queries, keys, features)
        return super().forward(features, guide, size)

    def predict_weights(self, features, guide, size):
        """Scores of the cells in a window around each pixel."""
        grid = features.shape[2], features.shape[3]
        queries, keys = self.embed(features, guide, size)
        scores = correlate(queries, keys, window_side(grid, size), HEADS)
        rows, columns = (window_bounds(n, m, keys.device) for n, m in zip(grid, size, strict=True))
        return softmax_within_bounds(scores, grid, rows, columns).mean(1, keepdim=True)

    def embed(
        self, features: Tensor, guide: Tensor | None, size: tuple[int, int]
    ) -> tuple[Float[Tensor, "b d H W"], Float[Tensor, "b d h w"]]:
        """Queries are pixels of the image, keys are cells of the image and of the features."""
        grid = features.shape[2], features.shape[3]
        image = check_guide(guide, features, 3, "anyup")
        self.check_image(image)
        image = normalise_imagenet(image)
        image = self.image_encoder(image)
        image = apply_rope(image, rope_angles(self.frequencies, image))
        queries = self.smooth(average_to_size(self.query_encoder(image), size))
        keys = average_to_size(self.key_encoder(image), grid)
        key_features = self.key_features_encoder(normalize(features, dim=1))
        keys = self.aggregation(torch.cat([keys, key_features], 1))
        queries = _project_pixels(self.to_queries, queries)
        return queries, _project_pixels(self.to_keys, keys) / (WIDTH // HEADS) ** 0.5


class FeatureUnification(nn.Module):
    """Maps any number of channels to 128: a softmax over filters, averaged over channels.

    Args:
        released_order: as in `AnyUp`.
    """

    def __init__(self, released_order: bool = False):
        super().__init__()
        self.released_order = released_order
        self.basis = nn.Parameter(torch.randn(WIDTH, 1, FILTER_SIDE, FILTER_SIDE))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Positive numbers, which sum to one in the paper's order."""
        b, c = features.shape[:2]
        margin = FILTER_SIDE // 2
        responses = conv2d(features.flatten(0, 1)[:, None], self.basis, padding=margin)
        ones = torch.ones_like(features[:1, :1])
        cell_counts = conv2d(ones, torch.ones_like(self.basis[:1]), padding=margin)
        responses = (responses / cell_counts).unflatten(0, (b, c))
        if self.released_order:
            return responses.flatten(1, 2).unflatten(1, (WIDTH, c)).softmax(1).mean(2)
        return responses.softmax(2).mean(1)


def _residual_encoder(first_layer: nn.Module) -> nn.Sequential:
    blocks = (PreActBlock(WIDTH, 1, bias=False, residual=True) for _ in range(2))
    return nn.Sequential(first_layer, *blocks)


def _project_pixels(projection: nn.Sequential, maps: Tensor) -> Tensor:
    norm = projection[0]
    assert isinstance(norm, RMSNorm)
    maps = maps.to(norm.weight.dtype)  # autocast does not convert the input of this norm
    return projection(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def initial_rope_frequencies() -> Float[Tensor, "2 d"]:
    """Initial frequencies: half of the channels rotate with the row, half with the column."""
    frequencies = 2 * torch.pi * ROPE_BASE ** torch.linspace(0, -1, WIDTH // 4).repeat(2)
    zeros = torch.zeros_like(frequencies)
    return torch.stack([torch.cat([frequencies, zeros]), torch.cat([zeros, frequencies])])


def rope_angles(
    frequencies: Float[Tensor, "2 d"], maps: Float[Tensor, "b d h w"]
) -> Float[Tensor, "d h w"]:
    """Angles of the rotary positions; coordinates are 0 at the first pixel, 1 at the last one."""
    y, x = (torch.arange(n, device=maps.device).to(maps) / max(n - 1, 1) for n in maps.shape[2:])
    by_row, by_column = frequencies[:, :, None, None]
    return by_row * y[:, None] + by_column * x


def window_side(grid: tuple[int, int], size: tuple[int, int]) -> int:
    """Side, in cells, of the smallest square window that holds all cells of `window_bounds`."""
    radii = [int(WINDOW_RATIO * n) + 1 + (m < n) for n, m in zip(grid, size, strict=True)]
    return 2 * max(radii) + 1


def window_bounds(
    cells: int, pixels: int, device: torch.device
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """The cells within a tenth of the map around each pixel, along one axis: [first, end).

    A cell that is only touched counts. Computed in float32 for features of any type, because
    rounding decides which cells are touched in a single point.
    """
    centres = (torch.arange(pixels, device=device, dtype=torch.float32) + 0.5) / pixels
    first = ((centres - WINDOW_RATIO).clamp(0, 1) * cells).floor()
    end = ((centres + WINDOW_RATIO).clamp(0, 1) * cells).ceil()
    return first.long(), end.long()


def attend_within_bounds(
    queries: Float[Tensor, "b d H W"],
    keys: Float[Tensor, "b d h w"],
    features: Float[Tensor, "b c h w"],
) -> Float[Tensor, "b c H W"]:
    """The same mean of heads without windows: every pixel with every cell, most of them masked.

    The memory grows with pixels times cells, where windows take a twentieth.
    """
    grid, size = (keys.shape[2], keys.shape[3]), (queries.shape[2], queries.shape[3])
    within = []
    for n, m in zip(grid, size, strict=True):
        first, end = window_bounds(n, m, keys.device)
        cells = torch.arange(n, device=keys.device)
        within.append((cells >= first[:, None]) & (cells < end[:, None]))
    rows, columns = within
    mask = (rows[:, None, :, None] & columns[:, None]).flatten(2).flatten(0, 1)  # pixels, cells
    queries, keys = (maps.flatten(2).unflatten(1, (HEADS, -1)) for maps in (queries, keys))
    scores = queries.mT @ keys
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).mean(1)
    return (features.flatten(2) @ weights.mT).unflatten(2, size)


def anyup_from_published(
    state_dict: Mapping[str, Tensor], channels: int = 384, scale: int = 16
) -> AnyUp:
    """The model with the authors' weights, which work for features of any number of channels.

    Args:
        state_dict: of the authors' file anyup_paper.pth or anyup_multi_backbone.pth.
        channels: channels c of the features.
        scale: output pixels per input pixel, unless a size is given.

    Raises:
        ValueError: if the file is a different one.
    """
    up = AnyUp(channels, scale, released_order=True)
    projections = "to_queries.1.", "to_keys.1."
    own = {name: t for name, t in up.state_dict().items() if not name.startswith(projections)}
    own_names = {PUBLISHED_KEYS.get(name, name): name for name in own}  # by published key
    shapes = {key: tuple(own[name].shape) for key, name in own_names.items()}
    check_state_dict(state_dict, shapes | PUBLISHED_ATTENTION_SHAPES)
    loaded = {name: state_dict[key] for key, name in own_names.items()}
    for part in ("weight", "bias"):
        queries, keys, _ = state_dict[f"{ATTENTION_PREFIX}.in_proj_{part}"].chunk(3)
        loaded |= {f"to_queries.1.{part}": queries, f"to_keys.1.{part}": keys}
    up.load_state_dict(loaded)
    return up
