"""A segmentation network whose logits are corrected by shared attention (DejaVu-SA)."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from unstride.models.regeneration.shared_attention import SharedAttention
from unstride.models.segmentation.segmenter import Segmenter, SegmenterOutput
from unstride.transforms.imagenet import normalise_imagenet


class CorrectedSegmenter(nn.Module):
    """A segmentation network and `SharedAttention` on its logits.

    Args:
        segmenter: the network.
        options: options of `SharedAttention`.
    """

    def __init__(self, segmenter: Segmenter, **options: Any):
        super().__init__()
        self.segmenter, self.classes = segmenter, segmenter.classes
        self.attention = SharedAttention(segmenter.classes, **options)

    @property
    def pyramid(self) -> nn.Module:
        """The network's pyramid."""
        return self.segmenter.pyramid

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b n H W"]:
        """Corrected logits of each pixel.

        Args:
            image: RGB in [0, 1], of any size.
        """
        return self.attention(image, self.segmenter(image)).logits

    def forward_with_auxiliary(
        self, image: Float[Tensor, "b 3 H W"], *, with_auxiliary: bool = True
    ) -> SegmenterOutput:
        """Corrected logits, and the network's auxiliary logits if it has any."""
        return self.training_pass(image, with_auxiliary=with_auxiliary)[0]

    def training_pass(
        self, image: Float[Tensor, "b 3 H W"], *, with_auxiliary: bool = True
    ) -> tuple[SegmenterOutput, Float[Tensor, ""]]:
        """The output, and the mean squared error of the regenerated, normalised image."""
        output = self.segmenter.forward_with_auxiliary(image, with_auxiliary=with_auxiliary)
        corrected = self.attention(image, output.logits)
        error = mse_loss(corrected.regenerated.float(), normalise_imagenet(image))
        return SegmenterOutput(corrected.logits, output.auxiliary), error
