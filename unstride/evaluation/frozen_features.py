"""A frozen backbone whose feature channels are standardised.

Every upsampler gets the same features: over the cells of the training split, each channel has
mean 0 and standard deviation 1, whatever is measured afterwards.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import Backbone
from unstride.evaluation.feature_dataset import FeatureDataset

MIN_STD = 1e-6  # smallest standard deviation, for channels that never change


class FrozenBackbone(nn.Module):
    """A backbone with standardised features; it is called and aligned as the backbone is.

    Args:
        backbone: from `create_backbone`, or any module with the same attributes.
        mean: mean of each channel. Default: 0.
        std: standard deviation of each channel. Default: 1.
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
        """Number of channels of the features."""
        return self.backbone.channels

    @property
    def stride(self) -> int:
        """Stride of the features in pixels."""
        return self.backbone.stride

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size in pixels that the features of an image of this size cover."""
        return self.backbone.padded_size(size)

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Compute the standardised features of the padded image."""
        return self.standardise(self.backbone(image))

    def standardise(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Shift and scale the backbone's features to mean 0 and standard deviation 1."""
        return (features - self.mean) / self.std

    def unstandardise(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Undo `standardise`: return features of the backbone."""
        return features * self.std + self.mean


@torch.no_grad()  # not inference mode: networks that are fitted to an image need a gradient
def standardised_backbone(backbone: nn.Module, dataset: FeatureDataset) -> FrozenBackbone:
    """Measure the mean and standard deviation of each channel over all cells of a data set."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for _, _, features in dataset.with_progress("backbone"):
        cells = features.double().flatten(2)[0]
        count += cells.shape[1]
        total, squares = total + cells.sum(1), squares + cells.square().sum(1)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=MIN_STD**2)
    return FrozenBackbone(backbone, mean.float(), variance.sqrt().float())
