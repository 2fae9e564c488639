"""The contract of matting networks: an image and its trimap in, alpha out."""

from abc import abstractmethod

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import pad

from unstride.formats.trimap import FOREGROUND
from unstride.ops.window import ceil_div
from unstride.transforms.imagenet import normalise_imagenet
from unstride.transforms.trimap import with_known_pixels


class MattingNetwork(nn.Module):
    """Predicts alpha, and keeps what the trimap knows.

    Attributes:
        size_divisor: sides of the maps that `raw_alpha` takes are multiples of it.
    """

    size_divisor: int

    @abstractmethod
    def raw_alpha(self, inputs: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Predict alpha, without limits.

        Args:
            inputs: RGB, normalised as for ImageNet, and the trimap in [0, 1].
        """

    def predict(
        self, image: Float[Tensor, "b 3 h w"], trimap: UInt8[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b 1 h w"]:
        """Predict alpha for all pixels, without limits.

        Args:
            image: RGB in [0, 1], of any size; the border is mirrored to whole multiples.
            trimap: 0, 128 and 255.

        Raises:
            ValueError: if the trimap does not fit the image.
        """
        h, w = image.shape[2:]
        if trimap.dtype != torch.uint8 or trimap.shape != (len(image), 1, h, w):
            raise ValueError(
                f"trimap must be uint8 of shape {(len(image), 1, h, w)}, got {trimap.dtype} of "
                f"{tuple(trimap.shape)}"
            )
        inputs = torch.cat([normalise_imagenet(image), trimap.to(image) / FOREGROUND], 1)
        return self.raw_alpha(mirrored_to_multiple(inputs, self.size_divisor))[:, :, :h, :w]

    def forward(
        self, image: Float[Tensor, "b 3 h w"], trimap: UInt8[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b 1 h w"]:
        """Alpha in [0, 1]; known pixels of the trimap are exactly 0 and 1.

        Args:
            image: RGB in [0, 1], of any size.
            trimap: 0, 128 and 255.
        """
        return with_known_pixels(self.predict(image, trimap).clamp(0, 1), trimap)


def mirrored_to_multiple(maps: Float[Tensor, "b c h w"], divisor: int) -> Tensor:
    """Extend maps below and to the right to multiples, mirrored; if they are too small, repeated.

    Args:
        maps: any maps.
        divisor: of the sides.
    """
    for axis in (2, 3):
        n = maps.shape[axis]
        missing = ceil_div(n, divisor) * divisor - n
        margins = (0, 0, 0, missing) if axis == 2 else (0, missing, 0, 0)
        maps = pad(maps, margins, mode="reflect" if missing < n else "replicate")
    return maps
