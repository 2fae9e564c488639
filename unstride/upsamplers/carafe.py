"""Content-aware reassembly of features: a window's weights are predicted from its content.

Wang, Chen, Xu, Liu, Loy, Lin, "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019,
arXiv:1905.02188, sections 3.2 and 3.3; downsampling from "CARAFE++", TPAMI 2021,
arXiv:2012.04733. Parameters have the names of mmcv's `CARAFEPack`, whose state dicts load.
Beyond the border, features are zero, as in mmcv: a constant map gets darker near the border.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops.softmax import softmax_over_taps
from unstride.saving.argument_ranges import ChannelDivisor, OddInt, PositiveInt
from unstride.upsamplers.base import Downsampler, Reassembly
from unstride.upsamplers.resize import resize_nearest, shuffle_to_size
from unstride.upsamplers.start import Start, start_weights, with_start

Normaliser = Literal["softmax", "sigmoid", "sigmoid_normalised"]


class CarafeUpsample(Reassembly):
    """Weights are convex, a softmax over each window; taps beyond the border have no weight.

    With the published start these count as zero instead.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side k of the window, in input pixels; odd.
        encoder_size: side of the convolution that predicts the weights; odd. The paper
            advises kernel_size - 2.
        compressed_channels: channels that the weights are predicted from.
        groups: sets of weights, each for channels/groups neighbouring channels.
        dilation: of the convolution that predicts the weights.
        normaliser: "softmax"; "sigmoid_normalised", which is convex too; or "sigmoid", whose
            weights are positive without a sum.
        start: the interpolation that a fresh operator is, or "published", see `start.py`.
    """

    fixed_channels, starts = True, ("bilinear", "bilinear_aligned", "nearest")

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: OddInt = 5,
        encoder_size: OddInt = 3,
        compressed_channels: PositiveInt = 64,
        groups: ChannelDivisor = 1,
        dilation: PositiveInt = 1,
        normaliser: Normaliser = "softmax",
        start: Start = "bilinear",
    ):
        super().__init__(channels, scale)
        self.kernel_size, self.groups, self.normaliser = kernel_size, groups, normaliser
        self.start: Start = start
        self.channel_compressor = nn.Conv2d(channels, compressed_channels, 1)
        self.content_encoder = nn.Conv2d(
            compressed_channels,
            groups * (scale * kernel_size) ** 2,
            encoder_size,
            padding=dilation * (encoder_size // 2),
            dilation=dilation,
        )
        self.halo_cells = max(kernel_size // 2, dilation * (encoder_size // 2))
        _init_weights(self)

    def halo(self, grid, size, guide_size=None):
        """The window, or the convolution that predicts its weights if that is larger."""
        return self.halo_cells

    def predict_weights(self, features, guide, size):
        """Predict the weights of scale^2 output pixels from features around the input pixel."""
        del guide
        logits = self.content_encoder(self.channel_compressor(features))
        logits = shuffle_to_size(logits, self.scale, size)
        k, grid = self.kernel_size, (features.shape[2], features.shape[3])
        logits = logits.unflatten(1, (self.groups, k, k))
        return weights_from_logits(logits, self.normaliser, grid, self.start)


class CarafeDownsample(Downsampler):
    """Weights are convex, a softmax over each window; taps beyond the border count as zero.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kernel_size: side k of the window, in input pixels.
        encoder_size: side of the convolution, of stride `scale`, that predicts the weights; odd.
        compressed_channels: channels that the weights are predicted from.
        groups: sets of weights, each for channels/groups neighbouring channels.
        normaliser: as for `CarafeUpsample`.
    """

    fixed_channels = True

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: PositiveInt = 5,
        encoder_size: OddInt = 3,
        compressed_channels: PositiveInt = 64,
        groups: ChannelDivisor = 1,
        normaliser: Normaliser = "softmax",
    ):
        super().__init__(channels, scale)
        self.kernel_size, self.groups, self.normaliser = kernel_size, groups, normaliser
        self.channel_compressor = nn.Conv2d(channels, compressed_channels, 1)
        self.content_encoder = nn.Conv2d(
            compressed_channels,
            groups * kernel_size**2,
            encoder_size,
            stride=scale,
            padding=encoder_size // 2,
        )
        _init_weights(self)

    def predict_weights(self, features, size):
        """Predict the weights from the compressed features around each output pixel."""
        logits = resize_nearest(self.content_encoder(self.channel_compressor(features)), size)
        k = self.kernel_size
        return weights_from_logits(logits.unflatten(1, (self.groups, k, k)), self.normaliser)


def weights_from_logits(
    logits: Float[Tensor, "b g k k H W"],
    normaliser: str,
    grid: tuple[int, int] = (0, 0),
    start: Start = "published",
) -> Float[Tensor, "b g k k H W"]:
    """Positive weights; they sum to one unless the normaliser is "sigmoid".

    Args:
        logits: of the taps of each output pixel.
        normaliser: "softmax", "sigmoid", "sigmoid_normalised" or "sigmoid_softmax".
        grid: rows and columns (h, w) of the features.
        start: the interpolation that the weights are if all logits are equal and, for "sigmoid",
            zero; published: the mean of the window.
    """
    if normaliser == "softmax":
        return softmax_over_taps(with_start(logits, grid, start))
    weights = logits.sigmoid()
    if normaliser == "sigmoid_softmax":
        return softmax_over_taps(with_start(weights, grid, start))
    if start != "published":
        size = logits.shape[4], logits.shape[5]
        weights = 2 * weights * start_weights(grid, size, logits.shape[2], start, logits)
    if normaliser == "sigmoid_normalised":
        return weights / weights.sum((2, 3), keepdim=True)
    return weights


def _init_weights(module: CarafeUpsample | CarafeDownsample) -> None:
    """Initialise as mmcv does: almost uniform weights, so the operator starts as a box filter."""
    nn.init.xavier_uniform_(module.channel_compressor.weight)
    nn.init.normal_(module.content_encoder.weight, std=0.001)
    for conv in (module.channel_compressor, module.content_encoder):
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
