"""Base class of semantic segmentation networks: an image in, logits of its size out."""

from abc import abstractmethod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.image_check import check_image_shape


class SegmenterOutput(NamedTuple):
    """Logits "b n H W" at the image's size, and auxiliary logits for the training loss, if any."""

    logits: Tensor
    auxiliary: Tensor | None = None


class Segmenter(nn.Module):
    """A pyramid, a decoder to the finest grid, and an upsampler to the image's size.

    A subclass implements `decode` only.

    Args:
        pyramid: features of the image. `decode` predicts logits at its finest stride.
        classes: number n of classes.
        last_upsampler: makes the operator from the finest grid to the image, called as
            `factory(classes, scale=stride)`, see `build_upsampler`. The image is its guide.
    """

    @checked
    def __init__(self, pyramid: Pyramid, classes: PositiveInt, last_upsampler: UpsamplerFactory):
        super().__init__()
        self.pyramid, self.classes = pyramid, classes
        self.last = build_upsampler(last_upsampler, classes, pyramid.strides[0], guide_channels=3)

    @abstractmethod
    def decode(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 H W"]
    ) -> tuple[Float[Tensor, "b n h w"], Float[Tensor, "b n h w"] | None]:
        """Logits on the finest grid, and auxiliary logits there or None.

        Args:
            features: features of the padded image, by stride.
            image: RGB in [0, 1], padded; for upsamplers that need it.
        """

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b n H W"]:
        """Logits of each pixel.

        Args:
            image: RGB in [0, 1], of any size.
        """
        return self.forward_with_auxiliary(image, with_auxiliary=False).logits

    def forward_with_auxiliary(
        self, image: Float[Tensor, "b 3 H W"], *, with_auxiliary: bool = True
    ) -> SegmenterOutput:
        """Logits of each pixel, and auxiliary logits, upsampled bilinearly, if the network has any.

        Args:
            image: RGB in [0, 1], of any size.
            with_auxiliary: whether to upsample and return auxiliary logits.
        """
        check_image_shape(image)
        height, width = image.shape[2:]
        size = self.pyramid.padded_size((height, width))
        image = pad_image(image, size)
        logits, auxiliary = self.decode(self.pyramid(image), image)
        logits = upsample_guided(logits, self.last, size, image=image)[:, :, :height, :width]
        if auxiliary is None or not with_auxiliary:
            return SegmenterOutput(logits)
        auxiliary = interpolate(auxiliary, size, mode="bilinear")[:, :, :height, :width]
        return SegmenterOutput(logits, auxiliary)
