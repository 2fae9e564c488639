"""Shared attention (DejaVu-SA): a prediction that attends to a redacted image and is corrected.

Borse et al., "DejaVu", arXiv:2303.01573, section 3.4. It stays in the network at inference. From
the attended features one decoder regenerates the image while training, the other corrects the
prediction. The paper's sizes, and which of the two inputs asks, are not known to us: here the
prediction asks and the redacted image answers, on a grid of stride 8.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, scaled_dot_product_attention

from unstride.models.regeneration.conditions import class_probabilities
from unstride.models.regeneration.modules import conv_block
from unstride.models.regeneration.redaction import create_redaction
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.transforms.imagenet import normalise_imagenet


class SharedAttentionOutput(NamedTuple):
    """Corrected logits "b n h w", and the regenerated image, normalised, "b 3 h w"."""

    logits: Tensor
    regenerated: Tensor


class SharedAttention(nn.Module):
    """Corrects the logits of classes with what a redacted image shows.

    The correction starts as zero, so a trained network keeps its predictions.

    Args:
        classes: number n of classes.
        redaction: a spectral redaction, which needs no random numbers.
        heads: heads of the attention.
        head_channels: channels of each head.
        stride: of the grid on which the prediction attends to the image, in pixels.
    """

    @checked
    def __init__(
        self,
        classes: PositiveInt,
        *,
        redaction: str = "band_stop",
        heads: PositiveInt = 4,
        head_channels: PositiveInt = 16,
        stride: PositiveInt = 8,
    ):
        super().__init__()
        self.redaction, self.heads, self.stride = create_redaction(redaction), heads, stride
        width = heads * head_channels
        self.embed_image = nn.Conv2d(3, width, stride, stride)
        self.embed_prediction = nn.Conv2d(classes, width, 1)
        self.query, self.key, self.value = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.regenerate = nn.Sequential(
            conv_block(width, width, "group"), nn.Conv2d(width, 3 * stride**2, 1),
            nn.PixelShuffle(stride),
        )  # fmt: skip
        last = nn.Conv2d(width, classes, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.correct = nn.Sequential(conv_block(width, width, "group"), last)

    def forward(
        self, images: Float[Tensor, "b 3 h w"], logits: Float[Tensor, "b n h w"]
    ) -> SharedAttentionOutput:
        """Correct the logits.

        Args:
            images: RGB in [0, 1], of any size of at least one cell.
            logits: the prediction for each pixel.
        """
        size = images.shape[2], images.shape[3]
        grid = max(size[0] // self.stride, 1), max(size[1] // self.stride, 1)
        covered = grid[0] * self.stride, grid[1] * self.stride
        redacted = normalise_imagenet(self.redaction(images, [0] * len(images)))
        seen = self.embed_image(interpolate(redacted, covered, mode="bilinear"))
        predicted = self.embed_prediction(adaptive_avg_pool2d(class_probabilities(logits), grid))
        attended = predicted + self._attend(predicted, seen)
        correction = interpolate(self.correct(attended), size, mode="bilinear")
        regenerated = interpolate(self.regenerate(attended), size, mode="bilinear")
        return SharedAttentionOutput(logits + correction, regenerated)

    def _attend(
        self, predicted: Float[Tensor, "b c h w"], seen: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """What the cells of the prediction take from the cells of the image."""
        batch, channels, *grid = predicted.shape
        query, key, value = (
            layer(source).view(batch, self.heads, channels // self.heads, -1).transpose(2, 3)
            for layer, source in ((self.query, predicted), (self.key, seen), (self.value, seen))
        )
        taken = scaled_dot_product_attention(query, key, value)
        return taken.transpose(2, 3).reshape(batch, channels, *grid)
