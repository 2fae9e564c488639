"""Object-contextual representations (OCR): each pixel attends to classes, not to other pixels.

Yuan et al., "Object-Contextual Representations for Semantic Segmentation", ECCV 2020,
arXiv:1909.11065, section 3.2. Unlike equation (4), the scores are divided by the square root of the
keys' dimensions, as is usual in attention: without it, the softmax over sums of 256 products picks
a single class.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.necks.conv_block import conv_norm_relu


class ObjectContext(nn.Module):
    """Predicts logits from each pixel and from the class representations that it attends to.

    Auxiliary ("rough") logits decide which pixels represent a class.

    Args:
        channels: channels of the input features.
        classes: number n of classes.
        width: channels of the representations of pixels and classes.
        key_width: channels of queries, keys and values.
    """

    def __init__(self, channels: int, classes: int, *, width: int = 512, key_width: int = 256):
        super().__init__()
        self.rough = nn.Sequential(
            conv_norm_relu(channels, channels), _classifier(channels, classes)
        )
        self.pixels = conv_norm_relu(channels, width, 3)
        self.query = _two_convs(width, key_width)
        self.key = _two_convs(width, key_width)
        self.value = conv_norm_relu(width, key_width)
        self.context = conv_norm_relu(key_width, width)
        self.mix = conv_norm_relu(2 * width, width)
        self.predict = _classifier(width, classes)

    def forward(
        self, features: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b n h w"], Float[Tensor, "b n h w"]]:
        """Logits and rough logits, both on the grid of the features.

        Args:
            features: features on any grid.
        """
        rough = self.rough(features)
        pixels = self.pixels(features)
        classes = class_representations(pixels, rough)[..., None]  # as a map of n x 1 pixels
        context = cross_attention(
            self.query(pixels), self.key(classes).squeeze(3), self.value(classes).squeeze(3)
        )
        mixed = self.mix(torch.cat([pixels, self.context(context)], 1))
        return self.predict(mixed), rough


def class_representations(
    pixels: Float[Tensor, "b d h w"], logits: Float[Tensor, "b n h w"]
) -> Float[Tensor, "b d n"]:
    """Weighted mean of all pixels for each class, by a softmax of its logits over the pixels."""
    weights = logits.flatten(2).softmax(2)
    return pixels.flatten(2) @ weights.mT


def cross_attention(
    queries: Float[Tensor, "b d h w"],
    keys: Float[Tensor, "b d n"],
    values: Float[Tensor, "b e n"],
) -> Float[Tensor, "b e h w"]:
    """Weighted mean of the classes' values for each pixel, by a softmax over the classes.

    Args:
        queries: queries of the pixels.
        keys, values: keys and values of the classes.
    """
    scores = queries.flatten(2).mT @ keys / keys.shape[1] ** 0.5
    return (values @ scores.softmax(2).mT).unflatten(2, queries.shape[2:])


def _two_convs(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_relu(in_channels, out_channels), conv_norm_relu(out_channels, out_channels)
    )


def _classifier(channels: int, classes: int) -> nn.Conv2d:
    return nn.Conv2d(channels, classes, 1)
