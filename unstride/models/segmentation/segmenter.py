"""What task networks for semantic segmentation share: an image in, logits of its size out."""

from abc import abstractmethod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided


class SegmenterOutput(NamedTuple):
    """Logits "b n H W" at the image's size, and what training supervises beside them."""

    logits: Tensor
    auxiliary: Tensor | None = None


class Segmenter(nn.Module):
    """A pyramid, what a subclass makes of it on the finest grid, and the step to the image.

    A subclass writes `coarse` alone.

    Args:
        pyramid: features of the image; the finest stride decides the grid of the logits.
        classes: number n of classes.
        last_upsampler: makes the operator from the finest grid to the image, called as
            `factory(classes, scale=stride)`, see `build_upsampler`; the image is its guide.
    """

    def __init__(self, pyramid: Pyramid, classes: int, last_upsampler: UpsamplerFactory):
        super().__init__()
        self.pyramid, self.classes = pyramid, classes
        self.last = build_upsampler(last_upsampler, classes, pyramid.strides[0], guide_channels=3)

    @abstractmethod
    def coarse(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 H W"]
    ) -> tuple[Float[Tensor, "b n h w"], Float[Tensor, "b n h w"] | None]:
        """Logits on the finest grid, and auxiliary logits there or None.

        Args:
            features: of the padded image, by stride.
            image: RGB in [0, 1], padded; for upsamplers that need it.
        """

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b n H W"]:
        """Logits of each pixel.

        Args:
            image: RGB in [0, 1], of any size.
        """
        return self.predictions(image, auxiliary=False).logits

    def predictions(
        self, image: Float[Tensor, "b 3 H W"], *, auxiliary: bool = True
    ) -> SegmenterOutput:
        """Logits of each pixel, and auxiliary ones of networks that have them, bilinear.

        Args:
            image: RGB in [0, 1], of any size.
            auxiliary: enlarge these too.
        """
        height, width = image.shape[2:]
        size = self.pyramid.padded_size((height, width))
        image = pad_image(image, size)
        logits, rough = self.coarse(self.pyramid(image), image)
        logits = upsample_guided(logits, self.last, size, image=image)[:, :, :height, :width]
        if rough is None or not auxiliary:
            return SegmenterOutput(logits)
        rough = interpolate(rough, size, mode="bilinear")[:, :, :height, :width]
        return SegmenterOutput(logits, rough)
