"""The contract of inpainting networks: an image and its holes in, the whole image out."""

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from unstride.ops.window import ceil_div


class Inpainter(nn.Module):
    """Fills the holes of an image and leaves all other pixels as they are.

    Attributes:
        size_divisor: sides of the maps that `stages` takes are multiples of it.
    """

    size_divisor: int

    @abstractmethod
    def stages(
        self,
        masked: Float[Tensor, "b 3 h w"],
        is_hole: Bool[Tensor, "b 1 h w"],
        size: tuple[int, int],
    ) -> tuple[Float[Tensor, "b 3 h w"], ...]:
        """Predict the image, the final prediction last.

        Args:
            masked: RGB in [-1, 1], 0 in holes.
            is_hole: which pixels to fill, and the padding below and to the right of the image.
            size: height and width of the image, without the padding.
        """

    def predict(
        self, image: Float[Tensor, "b 3 h w"], is_hole: Bool[Tensor, "b 1 h w"]
    ) -> tuple[Float[Tensor, "b 3 h w"], ...]:
        """The predictions of all stages, RGB in about [0, 1], known pixels included.

        Args:
            image: RGB in [0, 1], of any size. What it holds in holes is not seen.
            is_hole: which pixels to fill.
        """
        check_holes(image, is_hole)
        padded, padded_holes = pad_to_multiple(image, is_hole, self.size_divisor)
        masked = (2 * padded - 1).masked_fill(padded_holes, 0)
        h, w = image.shape[2:]
        predictions = self.stages(masked, padded_holes, (h, w))
        return tuple((p[:, :, :h, :w] + 1) / 2 for p in predictions)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], is_hole: Bool[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """The image with its holes filled, in [0, 1]; known pixels are those of the image.

        Args:
            image: RGB in [0, 1], of any size.
            is_hole: which pixels to fill.
        """
        return torch.where(is_hole, self.predict(image, is_hole)[-1].clamp(0, 1), image)

    def sources(
        self, image: Float[Tensor, "1 3 h w"], is_hole: Bool[Tensor, "1 1 h w"]
    ) -> Int[Tensor, "2 y x"] | None:
        """Row and column of the place that each place copies from; None if none does.

        Args:
            image: RGB in [0, 1], of any size.
            is_hole: which pixels to fill.
        """
        del image, is_hole
        return None


def pad_to_multiple(
    image: Tensor, is_hole: Tensor, divisor: int
) -> tuple[Float[Tensor, "b 3 H W"], Bool[Tensor, "b 1 H W"]]:
    """Extend an image below and to the right by a hole, to sides that are multiples.

    Args:
        image: RGB in [0, 1].
        is_hole: which pixels to fill.
        divisor: of the sides.
    """
    h, w = image.shape[2:]
    margins = 0, ceil_div(w, divisor) * divisor - w, 0, ceil_div(h, divisor) * divisor - h
    return pad(image, margins), pad(is_hole, margins, value=True)


def check_holes(image: Tensor, is_hole: Tensor) -> None:
    """Check that a mask fits its image.

    Raises:
        ValueError: if it does not, or is not boolean.
    """
    expected = (image.shape[0], 1, *image.shape[2:])
    if is_hole.dtype != torch.bool or is_hole.shape != expected:
        raise ValueError(
            f"is_hole must be boolean of shape {expected}, got {is_hole.dtype} of "
            f"{tuple(is_hole.shape)}"
        )
