"""Similarity-aware point affiliation: a fine pixel mixes the coarse pixels that it resembles.

Lu, Liu, Ye, Fu, Liu, Cao, "SAPA: Similarity-Aware Point Affiliation for Feature Upsampling",
NeurIPS 2022, arXiv:2209.12866, section 3: the base version and the one with gated addition.
With `start="published"` it is the released code's function: taps beyond the border have the score
and the value zero. Otherwise they have no weight.
"""

from torch import nn

from unstride.ops import correlate
from unstride.ops.softmax import softmax_over_taps
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.base import Reassembly
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.layers import LayerNorm2d
from unstride.upsamplers.resize import resize_nearest
from unstride.upsamplers.start import Start, with_start


class SAPA(Reassembly):
    """Weights are convex: a softmax of similarities between a fine pixel and its coarse window.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the fine features. Default: `channels`.
        kernel_size: side k of the window, in input pixels.
        embedding: dimensions in which pixels are compared.
        gated: whether a gate, predicted from the coarse features, mixes them into the query.
            They get an embedding of their own for that, and are not normalised.
        start: the interpolation that a fresh operator is, or "published", see `start.py`.
            Similarities are small at first, but not zero: it begins close to the interpolation.
    """

    guide_channels: int
    fixed_channels, starts = True, ("bilinear", "bilinear_aligned", "nearest")

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt | None = None,
        kernel_size: PositiveInt = 5,
        embedding: PositiveInt = 64,
        gated: bool = False,
        start: Start = "bilinear",
    ):
        super().__init__(channels, scale)
        self.guide_channels = channels if guide_channels is None else guide_channels
        self.kernel_size, self.start = kernel_size, start
        self.norm_guide, self.norm = LayerNorm2d(self.guide_channels), LayerNorm2d(channels)
        self.query = nn.Conv2d(self.guide_channels, embedding, 1)
        self.key = nn.Conv2d(channels, embedding, 1)
        self.gate = nn.Conv2d(channels, 1, 1) if gated else None
        self.query_features = nn.Conv2d(channels, embedding, 1) if gated else None
        for layer in (self.query, self.key, self.gate, self.query_features):
            if layer is not None:
                nn.init.trunc_normal_(layer.weight, std=0.02 if start == "published" else 0.005)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def halo(self, grid, size, guide_size=None):
        """The window; each pixel is normalised and embedded by itself."""
        return self.kernel_size // 2

    def predict_weights(self, features, guide, size):
        """Compare the embedded guide with the embedded features around it."""
        guide = check_guide(guide, features, self.guide_channels, "sapa")
        queries = self.query(self.norm_guide(resize_guide(guide, size)))
        coarse = self.norm(features)
        keys = self.key(coarse)
        if self.gate is not None and self.query_features is not None:
            gate = resize_nearest(self.gate(coarse).sigmoid(), size)
            own = resize_nearest(self.query_features(features), size)
            queries = gate * queries + (1 - gate) * own
        scores = correlate(queries, keys, self.kernel_size)
        grid = features.shape[2], features.shape[3]
        return softmax_over_taps(with_start(scores, grid, self.start))
