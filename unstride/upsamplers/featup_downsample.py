"""FeatUp's two downsamplers: a learned blur, and attention by learned saliency.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.3 and figure 3. Three things differ
from the released code. Both take maps of any size and shape. Dropout of whole windows' saliency
happens in training only. And borders are handled: the blur repeats the outermost pixel, the
attention leaves out taps beyond the border.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from unstride.ops import correlate, fold_border
from unstride.ops.softmax import softmax_over_valid_taps
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.base import Downsampler, check_features

DROPOUT = 0.2  # of a pixel's channels, and of the windows


class Blur(Downsampler):
    """Weights are convex: one learned kernel for every channel, positive and of sum one.

    Args:
        channels: channels c of the features; the parameters do not depend on it.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kernel_size: side k of the kernel, in input pixels. It starts as a box. Default: twice
            the scale.
    """

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: PositiveInt | None = None,
    ):
        super().__init__(channels, scale)
        k = 2 * scale if kernel_size is None else kernel_size
        self.kernel = nn.Parameter(torch.ones(k, k))

    def predict_weights(self, features, size):
        """The kernel, with weights beyond the border moved to the outermost pixels."""
        kernel = self.kernel.abs() / self.kernel.abs().sum()
        weights = kernel.to(features)[None, None, :, :, None, None]
        weights = weights.expand(len(features), 1, *kernel.shape, *size)
        return fold_border(weights, (features.shape[2], features.shape[3]), "replicate")


class AttentionPool(Downsampler):
    """Weights are convex: a softmax of each pixel's learned saliency, over the taps on the map.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kernel_size: side k of the window, in input pixels. Default: the scale.
        blur: whether the features are first smoothed by a Gaussian of one pixel, as released.
    """

    fixed_channels = True

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: PositiveInt | None = None,
        blur: bool = True,
    ):
        super().__init__(channels, scale)
        self.kernel_size = scale if kernel_size is None else kernel_size
        self.blur = blur
        self.saliency = nn.Sequential(nn.Dropout(DROPOUT), nn.Conv2d(channels, 1, 1))
        k = self.kernel_size
        self.gain = nn.Parameter(1 + 0.01 * torch.randn(k, k))
        self.bias = nn.Parameter(0.01 * torch.randn(k, k))

    def forward(self, features, size=None):
        """Smooth, then pool."""
        check_features(self, features)
        return super().forward(gaussian_blur(features) if self.blur else features, size)

    def predict_weights(self, features, size):
        """Predict the weights from the saliency of the smoothed features."""
        return self.predict_from_saliency(self.saliency(features), size)

    def predict_from_saliency(
        self, saliency: Float[Tensor, "b 1 H W"], size: tuple[int, int]
    ) -> Float[Tensor, "b 1 k k h w"]:
        """A softmax over the taps on the map, of gain * saliency + bias for each tap."""
        ones = saliency.new_ones(len(saliency), 1, *size)
        scores = correlate(ones, saliency, self.kernel_size)
        if self.training:
            scores = scores * (torch.rand_like(scores[:, :, :1, :1]) > DROPOUT)
        scores = scores * self.gain[:, :, None, None] + self.bias[:, :, None, None]
        return softmax_over_valid_taps(scores, (saliency.shape[2], saliency.shape[3]))


def gaussian_blur(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Smooth by a Gaussian of standard deviation 1 pixel, 5 pixels wide; repeats the border."""
    offset = torch.arange(-2.0, 3.0, device=maps.device, dtype=maps.dtype)
    kernel = (-offset.square() / 2).exp()
    kernel = kernel / kernel.sum()
    flat = pad(maps.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="replicate")
    flat = conv2d(conv2d(flat, kernel.view(1, 1, 5, 1)), kernel.view(1, 1, 1, 5))
    return flat[:, 0].unflatten(0, maps.shape[:2])
