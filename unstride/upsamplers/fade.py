"""FADE: decoder and encoder features predict the weights together, and a gate mixes the latter in.

Lu, Liu, Fu, Cao, "FADE: Fusing the Assets of Decoder and Encoder for Task-Agnostic Upsampling",
ECCV 2022, arXiv:2207.10392, section 4. Written from the paper. Its semi-shift convolution moves
over the encoder's pixels while it stays on the decoder's. That equals the sum of one convolution
on each grid, with the coarser result repeated; so maps need not be square. The two share one
kernel predictor, whose bias so counts twice: 47,514 parameters at 256 channels, the published
47.5 k. Only the encoder's compression has a bias, as in the released code.
"""

from torch import nn

from unstride.ops import reassemble
from unstride.ops.softmax import softmax_over_taps
from unstride.saving.argument_ranges import OddInt, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.resize import cells_covering, resize_nearest
from unstride.upsamplers.start import Start, with_start

CLOSED = -8.0  # of the gate's logit: 0.03 % of the guide, which can be much larger


class FADE(Upsampler):
    """A gate mixes the guide into a convex reassembly of the features, so it is not convex.

    Without the gate it is convex: a softmax over each window; taps beyond the border have no
    weight. With the published start they count as zero instead. The gate begins almost closed,
    half open if published.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the encoder's features. Default: `channels`.
        kernel_size: side k of the window, in input pixels; odd.
        compressed_channels: channels that the weights are predicted from.
        gated: whether the guide is mixed in. Default: if it has as many channels as the features.
        start: the interpolation that a fresh operator is, or "published", see `start.py`.
    """

    guide_channels: int
    fixed_channels, starts = True, ("bilinear", "bilinear_aligned", "nearest")

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt | None = None,
        kernel_size: OddInt = 5,
        compressed_channels: PositiveInt = 64,
        gated: bool | None = None,
        start: Start = "bilinear",
    ):
        super().__init__(channels, scale)
        self.guide_channels = channels if guide_channels is None else guide_channels
        can_gate = self.guide_channels == channels
        if gated and not can_gate:
            raise ValueError(
                f"guide_channels must be the {channels} channels of the features if gated, "
                f"got {self.guide_channels}"
            )
        self.kernel_size, self.start = kernel_size, start
        self.compress_guide = nn.Conv2d(self.guide_channels, compressed_channels, 1)
        self.compress = nn.Conv2d(channels, compressed_channels, 1, bias=False)
        self.kernel = nn.Conv2d(compressed_channels, kernel_size**2, 3, padding=1)
        self.gate = nn.Conv2d(channels, 1, 1) if gated or (gated is None and can_gate) else None
        self._init_weights()

    def _init_weights(self) -> None:
        layers = [self.compress_guide, self.compress, self.kernel]
        layers += [] if self.gate is None else [self.gate]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if self.start == "published":
            nn.init.xavier_normal_(self.kernel.weight)
            return
        nn.init.normal_(self.kernel.weight, std=0.001)
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.constant_(self.gate.bias, CLOSED)  # type: ignore[arg-type]

    def halo(self, grid, size, guide_size=None):
        """The window, or the convolution that predicts its weights on either grid."""
        return max(self.kernel_size // 2, 1, cells_covering(1, grid, size))

    def forward(self, features, guide=None, size=None):
        """Reassemble, then mix the guide in by the gate."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, self.guide_channels, "fade")
        guide = resize_guide(guide, size)
        fine = reassemble(features, self.predict_weights(features, guide, size))
        if self.gate is None:
            return fine
        gate = self.predict_gate(features, size)
        return gate * guide + (1 - gate) * fine

    def predict_weights(self, features, guide, size):
        """A softmax over the window, of logits from the fine grid plus logits from the coarse."""
        from_guide = self.kernel(self.compress_guide(guide))
        from_features = self.kernel(self.compress(features))
        logits = from_guide + resize_nearest(from_features, size)
        logits = logits.unflatten(1, (1, self.kernel_size, self.kernel_size))
        grid = features.shape[2], features.shape[3]
        return softmax_over_taps(with_start(logits, grid, self.start))

    def predict_gate(self, features, size):
        """One number in (0, 1) for each output pixel, predicted on the coarse grid."""
        assert self.gate is not None
        return resize_nearest(self.gate(features).sigmoid(), size)
