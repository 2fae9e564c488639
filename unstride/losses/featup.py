"""FeatUp's losses: likelihood of a view, total variation of magnitudes, and a sampled dense CRF.

Fu et al., "FeatUp: A Model-Agnostic Framework for Features at Any Resolution", ICLR 2024,
arXiv:2403.10516, section 3.1 (likelihood, total variation). The sampled CRF exists only in the
released code, with the weight 0.001. The widths here are that code's.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample

# the two kernels of a dense CRF: appearance (position and colour), smoothness (position alone)
APPEARANCE_WEIGHT, SMOOTHNESS_WEIGHT = 10.0, 3.0
# widths (alpha, beta, gamma); positions are in [-1, 1] along each side, colours in [0, 1]
APPEARANCE_POSITION_WIDTH, APPEARANCE_COLOUR_WIDTH = 0.1, 0.15
SMOOTHNESS_WIDTH = 0.005


class UncertaintyHead(nn.Conv2d):
    """Predicts the uncertainty of each cell of a view from the backbone's features.

    The uncertainty is a standard deviation, so it is positive.

    Args:
        channels: channels of the features.
    """

    def __init__(self, channels: int):
        super().__init__(channels, 1, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(0.1)

    def forward(self, features: Float[Tensor, "b k h w"]) -> Float[Tensor, "b 1 h w"]:
        """Uncertainty of at least 1e-4. Before training about 1.1, as in the released code."""
        return (super().forward(features) + 0.1).exp().clamp(min=1e-4)


def gaussian_nll_loss(
    prediction: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c h w"],
    sigma: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, ""]:
    """Negative log-likelihood of `target` under a Gaussian around `prediction`.

    Mean over cells, without the constant term.

    Args:
        prediction: the view according to the upsampled features.
        target: the backbone's features of the view.
        sigma: standard deviation of each cell, above 0.
    """
    error = (prediction - target).square().mean(1, keepdim=True)
    return (error / (2 * sigma.square()) + sigma.log()).mean()


def total_variation_loss(features: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Mean squared difference of vertical neighbours plus that of horizontal neighbours."""
    down = (features[:, :, 1:] - features[:, :, :-1]).square().mean()
    return down + (features[:, :, :, 1:] - features[:, :, :, :-1]).square().mean()


def magnitude_tv_loss(features: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Total variation of the features' magnitudes."""
    return total_variation_loss(features.norm(dim=1, keepdim=True))


def sampled_crf_loss(
    features: Float[Tensor, "b c h w"],
    image: Float[Tensor, "b 3 H W"],
    generator: torch.Generator,
    *,
    points: int = 1000,
) -> Float[Tensor, ""]:
    """Mean squared difference of features over random pairs of points, weighted by affinity.

    Points that are close and of similar colour have a high affinity.

    Args:
        features: features on any grid over the image.
        image: RGB in [0, 1].
        generator: random generator of the points.
        points: number of points. Each is compared with every other.
    """
    positions = 2 * torch.rand(1, points, 1, 2, generator=generator).to(features) - 1
    grid = positions.expand(len(features), -1, -1, -1)
    sampled_features, colours = (
        grid_sample(m, grid, "bilinear", "border", align_corners=False)[..., 0].mT
        for m in (features, image.to(features))
    )
    position_distance = pairwise_squared_distances(positions[:, :, 0])
    colour_distance = pairwise_squared_distances(colours)
    affinity = APPEARANCE_WEIGHT * torch.exp(
        -position_distance / (2 * APPEARANCE_POSITION_WIDTH)
        - colour_distance / (2 * APPEARANCE_COLOUR_WIDTH)
    )
    affinity = affinity + SMOOTHNESS_WEIGHT * torch.exp(-position_distance / (2 * SMOOTHNESS_WIDTH))
    difference = pairwise_squared_distances(sampled_features) / sampled_features.shape[2]
    return (affinity * difference).mean()


def pairwise_squared_distances(points: Float[Tensor, "b n d"]) -> Float[Tensor, "b n n"]:
    """Squared Euclidean distances between all pairs of points."""
    squares = points.square().sum(2)
    return (squares[:, :, None] + squares[:, None] - 2 * points @ points.mT).clamp(min=0)
