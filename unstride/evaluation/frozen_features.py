"""Frozen features: a backbone whose channels are standardised, and a split of images through it.

Every upsampler is given the same features: each channel with mean 0 and deviation 1 over the
cells of the training split, whatever is measured afterwards.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import Backbone
from unstride.evaluation.feature_dataset import FeatureDataset
from unstride.features.dense_features import DenseFeatures

MIN_STD = 1e-6  # deviation of a channel that never changes


class FrozenBackbone(nn.Module):
    """A backbone with standardised features, called and aligned as the backbone is.

    Args:
        backbone: of `create_backbone`, or any module with its attributes.
        mean: of each channel; by default 0.
        std: of each channel; by default 1.
    """

    backbone: Any
    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone | nn.Module, mean=None, std=None):
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        shape = (1, self.channels, 1, 1)
        self.register_buffer("mean", torch.zeros(shape) if mean is None else mean.view(shape))
        self.register_buffer("std", torch.ones(shape) if std is None else std.view(shape))
        self.eval()

    @property
    def channels(self) -> int:
        """Of the features."""
        return self.backbone.channels

    @property
    def stride(self) -> int:
        """Of the features, in pixels."""
        return self.backbone.stride

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The pixels, rows and columns, that the features of an image of this size cover."""
        return self.backbone.padded_size(size)

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Standardised features of the padded image."""
        return self.standardised(self.backbone(image))

    def standardised(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the backbone, each channel with mean 0 and deviation 1."""
        return (features - self.mean) / self.std

    def raw(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The backbone's own features again; the inverse of `standardised`."""
        return features * self.std + self.mean


@torch.no_grad()  # not inference mode: networks that are fitted to an image need a gradient
def standardised_backbone(backbone: nn.Module, split: FeatureDataset) -> FrozenBackbone:
    """The backbone with the mean and deviation of each channel over the cells of a split."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for _, _, features in split.walk("backbone"):
        cells = features.double().flatten(2)[0]
        count += cells.shape[1]
        total, squares = total + cells.sum(1), squares + cells.square().sum(1)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=MIN_STD**2)
    return FrozenBackbone(backbone, mean.float(), variance.sqrt().float())


def pixel_features(
    frozen: FrozenBackbone, upsampler: nn.Module, coarse: Float[Tensor, "1 c h w"], image: Tensor
) -> Float[Tensor, "1 c H W"]:
    """Features of every pixel of the image, as `DenseFeatures` makes them."""
    backbone: Any = frozen
    return DenseFeatures(backbone, upsampler).upsample(coarse, image)
