"""Predicts a key for each pixel, from the image alone, that tells objects apart.

A pretrained encoder (the first stages of EfficientNet-Lite0, image_encoder.py), and a small
decoder that merges its maps at strides 16, 8, 4 and 2 into one at stride 4, as a feature pyramid
does (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, arXiv:1612.03144).
exp(-|k_p - k_q|^2 / 2) is the probability that people assign pixels p and q to the same segment.
`unstride fit affinity` trains the keys.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, gelu, interpolate

from unstride.ops.window import ceil_div
from unstride.upsamplers.guide import resize_guide
from unstride.upsamplers.image_encoder import ImageEncoder

MAX_STRIDE = 16  # stride of the coarsest map
KEY_STRIDE = 4  # of the keys, in pixels of the image


class PixelKeys(nn.Module):
    """Predicts keys at stride 4 from an image.

    Args:
        key_channels: dimensions of a key.
        width: channels inside the decoder.
    """

    def __init__(self, key_channels: int = 32, width: int = 48):
        super().__init__()
        self.encoder = ImageEncoder()
        self.standardise = nn.ModuleList(ChannelStandardiser(n) for n in self.encoder.channels)
        self.lateral = nn.ModuleList(nn.Conv2d(n, width, 1) for n in self.encoder.channels)
        self.mix = nn.ModuleList(conv3x3(width, width) for _ in range(2))
        self.out = conv3x3(width, key_channels)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d H W"]:
        """Keys of an image, which is first resized up to multiples of 16 pixels.

        Args:
            image: RGB in [0, 1].
        """
        h, w = (ceil_div(n, MAX_STRIDE) * MAX_STRIDE for n in image.shape[2:])
        maps = self.encoder(resize_guide(image, (h, w)))
        levels = zip(self.lateral, self.standardise, maps, strict=True)
        at_2, at_4, at_8, at_16 = (lateral(standard(m)) for lateral, standard, m in levels)
        x = at_8 + resize_like(at_16, at_8)
        x = x + self.mix[0](gelu(x))
        x = at_4 + avg_pool2d(at_2, 2) + resize_like(x, at_4)
        x = x + self.mix[1](gelu(x))
        return self.out(gelu(x))


class ChannelStandardiser(nn.Module):
    """Standardises each channel by its mean and standard deviation over photographs.

    Args:
        channels: of the maps.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Standardise every channel by itself."""
        return (maps - self.mean) / self.std


def conv3x3(channels: int, out_channels: int) -> nn.Conv2d:
    """A 3 x 3 convolution that repeats the border."""
    return nn.Conv2d(channels, out_channels, 3, padding=1, padding_mode="replicate")


def resize_like(maps: Float[Tensor, "b c h w"], like: Tensor) -> Float[Tensor, "b c H W"]:
    """Resize bilinearly to the grid of another map."""
    return interpolate(maps, like.shape[2:], mode="bilinear", align_corners=False)
