"""Features as a few of their principal components, and back: FeatUp's compression.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.4. Unlike the released code it
standardises the channels first, so that no channel dominates.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PrincipalComponents(nn.Module):
    """Principal components of standardised features, scaled together to mean square one.

    Args:
        features: in which they are found.
        most: how many there may be.
    """

    mean: Tensor
    onto: Tensor
    off: Tensor

    def __init__(self, features: Float[Tensor, "b c h w"], most: int):
        super().__init__()
        cells = features.movedim(1, -1).flatten(0, 2).double()
        mean, std = cells.mean(0), cells.std(0)
        std = std.clamp(min=1e-3 * std.mean().item() + 1e-12)  # channels that hardly change
        cells = (cells - mean) / std
        variances, axes = torch.linalg.eigh(cells.T @ cells / len(cells))
        variances, axes = variances.flip(0)[:most], axes.flip(1)[:, :most]
        self.kept = (variances.sum() / cells.square().mean(0).sum().clamp(min=1e-12)).item()
        unit = variances.mean().clamp(min=1e-12).sqrt()
        self.register_buffer("mean", mean.to(features)[:, None, None])
        self.register_buffer("onto", (axes / std[:, None] / unit).to(features))
        self.register_buffer("off", (axes * std[:, None] * unit).to(features))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        """Components of features."""
        return torch.einsum("bchw, ck -> bkhw", features - self.mean, self.onto)

    def back(
        self, maps: Float[Tensor, "b k h w"], centred: bool = False
    ) -> Float[Tensor, "b c h w"]:
        """Features of components, or how they differ from their mean."""
        features = torch.einsum("bkhw, ck -> bchw", maps, self.off)
        return features if centred else features + self.mean
