"""Compresses features to a few principal components and back, as FeatUp does.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.4. Unlike the released code, channels
are standardised first, so that no channel dominates.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PrincipalComponents(nn.Module):
    """Principal components of standardised features, scaled together to mean square one.

    Args:
        features: the features to fit.
        max_components: largest number of components.

    Attributes:
        explained_variance_ratio: share of the standardised features' variance in the components.
    """

    mean: Tensor
    onto: Tensor
    off: Tensor

    def __init__(self, features: Float[Tensor, "b c h w"], max_components: int):
        super().__init__()
        cells = features.movedim(1, -1).flatten(0, 2).double()
        mean, std = cells.mean(0), cells.std(0)
        std = std.clamp(min=1e-3 * std.mean().item() + 1e-12)  # channels that hardly change
        cells = (cells - mean) / std
        variances, axes = torch.linalg.eigh(cells.T @ cells / len(cells))
        variances, axes = variances.flip(0)[:max_components], axes.flip(1)[:, :max_components]
        total_variance = cells.square().mean(0).sum().clamp(min=1e-12)
        self.explained_variance_ratio = (variances.sum() / total_variance).item()
        unit = variances.mean().clamp(min=1e-12).sqrt()
        self.register_buffer("mean", mean.to(features)[:, None, None])
        self.register_buffer("onto", (axes / std[:, None] / unit).to(features))
        self.register_buffer("off", (axes * std[:, None] * unit).to(features))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        """Project features onto the components."""
        return torch.einsum("bchw, ck -> bkhw", features - self.mean, self.onto)

    def inverse(
        self, components: Float[Tensor, "b k h w"], centred: bool = False
    ) -> Float[Tensor, "b c h w"]:
        """Map components back to features.

        Args:
            components: in the scale of `forward`.
            centred: return the difference to the features' mean. Default: False.
        """
        features = torch.einsum("bkhw, ck -> bchw", components, self.off)
        return features if centred else features + self.mean
