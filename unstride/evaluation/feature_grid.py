"""TODO."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.padding import pad_image
from unstride.evaluation.frozen_features import FrozenBackbone


class FeatureGrid:
    """A grid finer than the backbone's by a whole number of times, near a stride in pixels.

    Args:
        frozen: whose features it refines.
        stride: wanted, in pixels; at stride 32 and 4, each cell of the backbone is 8 x 8 here.
    """

    def __init__(self, frozen: FrozenBackbone, stride: float):
        self.frozen = frozen
        self.ratio = max(round(frozen.stride / stride), 1)
        self.step = frozen.stride / self.ratio

    def upsample(
        self, upsampler: nn.Module, coarse: Float[Tensor, "1 c h w"], image: Tensor
    ) -> Float[Tensor, "1 c H W"]:
        """Features of the padded image on this grid."""
        guide = pad_image(image, self.frozen.padded_size((image.shape[2], image.shape[3])))
        size = coarse.shape[2] * self.ratio, coarse.shape[3] * self.ratio
        return upsampler(coarse, guide, size)

    def centres(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Rows and columns of the image's pixels that hold the centres of cells."""
        rows, columns = (
            ((torch.arange(int(n / self.step) + 1) + 0.5) * self.step).long() for n in size
        )
        return rows[rows < size[0]], columns[columns < size[1]]

    def in_pixels(
        self, maps: Float[Tensor, "1 n H W"], size: tuple[int, int]
    ) -> Float[Tensor, "1 n h w"]:
        """A map of the padded image, such as a probe's answer, bilinear at each of its pixels."""
        padded = self.frozen.padded_size(size)
        if tuple(maps.shape[2:]) != padded:
            maps = nn.functional.interpolate(maps, padded, mode="bilinear", align_corners=False)
        return maps[:, :, : size[0], : size[1]]
