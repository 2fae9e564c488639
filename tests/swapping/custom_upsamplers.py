"""Two upsamplers somebody might bring, one from features alone, one with a guide."""

from torch import nn

from unstride.ops import correlate
from unstride.upsamplers import Reassembly
from unstride.upsamplers.guide import (
    check_guide,
    resize_guide,
)
from unstride.upsamplers.resize import shuffle_to_size


def softmax_over_taps(scores):
    return scores.flatten(2, 3).softmax(2).unflatten(2, scores.shape[2:4])


class CustomUpsampler(Reassembly):
    """Weights are positive and sum to one; a convolution of the features predicts them."""

    def __init__(self, channels, scale=2, kernel_size=3):
        super().__init__(channels, scale)
        self.encode = nn.Conv2d(channels, (kernel_size * scale) ** 2, 3, padding=1)
        self.kernel_size = kernel_size

    def predict_weights(self, features, guide, size):
        k = self.kernel_size
        scores = shuffle_to_size(self.encode(features), self.scale, size)
        return softmax_over_taps(scores.unflatten(1, (1, k, k)))


class CustomGuidedUpsampler(Reassembly):
    """Weights are positive and sum to one; the guide asks the features for them."""

    def __init__(self, channels, scale=2, *, guide_channels):
        super().__init__(channels, scale)
        self.guide_channels = guide_channels
        self.query = nn.Conv2d(guide_channels, 8, 1)
        self.key = nn.Conv2d(channels, 8, 1)

    def predict_weights(self, features, guide, size):
        guide = check_guide(guide, features, self.guide_channels, "CustomGuidedUpsampler")
        queries = resize_guide(self.query(guide), size)
        return softmax_over_taps(correlate(queries.contiguous(), self.key(features), 3))
