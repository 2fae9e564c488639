"""A grid of feature cells, a whole number of times finer than the backbone's."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.padding import pad_image
from unstride.evaluation.frozen_features import FrozenBackbone


class FeatureGrid:
    """A grid finer than the backbone's by a whole number of times, near a given stride.

    Args:
        backbone: the backbone whose grid is refined.
        stride: wanted side of a cell in pixels. For example, with a backbone of stride 32 and a
            wanted stride of 4, each cell of the backbone becomes 8 x 8 cells.
    """

    def __init__(self, backbone: FrozenBackbone, stride: float):
        self.backbone = backbone
        self.scale = max(round(backbone.stride / stride), 1)
        self.cell_size = backbone.stride / self.scale

    def upsample(
        self, upsampler: nn.Module, coarse: Float[Tensor, "1 c h w"], image: Tensor
    ) -> Float[Tensor, "1 c H W"]:
        """Upsample features of the padded image to this grid."""
        guide = pad_image(image, self.backbone.padded_size((image.shape[2], image.shape[3])))
        size = coarse.shape[2] * self.scale, coarse.shape[3] * self.scale
        return upsampler(coarse, guide, size)

    def cell_centres(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return the rows and columns of the image's pixels that hold the centres of cells."""
        rows, columns = (
            ((torch.arange(int(n / self.cell_size) + 1) + 0.5) * self.cell_size).long()
            for n in size
        )
        return rows[rows < size[0]], columns[columns < size[1]]

    def resize_to_image(
        self, maps: Float[Tensor, "1 n H W"], size: tuple[int, int]
    ) -> Float[Tensor, "1 n h w"]:
        """Resize maps of the padded image, such as logits, to the image's pixels, bilinear."""
        padded = self.backbone.padded_size(size)
        if tuple(maps.shape[2:]) != padded:
            maps = nn.functional.interpolate(maps, padded, mode="bilinear", align_corners=False)
        return maps[:, :, : size[0], : size[1]]
