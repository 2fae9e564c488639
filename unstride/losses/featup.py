"""FeatUp's losses: likelihood of a view, smoothness of magnitudes, smoothness where colours agree.

Fu et al., "FeatUp: A Model-Agnostic Framework for Features at Any Resolution", ICLR 2024,
arXiv:2403.10516, section 3.1 (likelihood, total variation). The sampled CRF is in the released
code only, with the weight 0.001; its widths here are that code's.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample

APPEARANCE_WEIGHT, SMOOTHNESS_WEIGHT = (
    10.0,
    3.0,
)  # how much a pair counts for place and colour, for place alone
APPEARANCE_POSITION_WIDTH, APPEARANCE_COLOUR_WIDTH, SMOOTHNESS_WIDTH = (
    0.1,
    0.15,
    0.005,
)  # alpha, beta, gamma: widths where a side is 2


class UncertaintyHead(nn.Conv2d):
    """How uncertain a cell of a view is, from what the backbone says of it: a positive scale.

    Args:
        channels: of what the backbone says.
    """

    def __init__(self, channels: int):
        super().__init__(channels, 1, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(0.1)

    def forward(self, answers: Float[Tensor, "b k h w"]) -> Float[Tensor, "b 1 h w"]:
        """At least 1e-4, at first about 1.1, as released."""
        return (super().forward(answers) + 0.1).exp().clamp(min=1e-4)


def gaussian_nll_loss(
    expected: Float[Tensor, "b c h w"],
    actual: Float[Tensor, "b c h w"],
    sigma: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, ""]:
    """Of `actual` under a Gaussian around `expected`: mean over cells, without its constant.

    Args:
        expected: what the upsampled features say.
        actual: what the backbone says.
        sigma: standard deviation of each cell, above 0.
    """
    error = (expected - actual).square().mean(1, keepdim=True)
    return (error / (2 * sigma.square()) + sigma.log()).mean()


def total_variation_loss(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Mean squared difference of neighbours below, plus that of neighbours to the right."""
    down = (maps[:, :, 1:] - maps[:, :, :-1]).square().mean()
    return down + (maps[:, :, :, 1:] - maps[:, :, :, :-1]).square().mean()


def magnitude_tv_loss(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """The total variation of the features' magnitudes."""
    return total_variation_loss(maps.norm(dim=1, keepdim=True))


def sampled_crf_loss(
    features: Float[Tensor, "b c h w"],
    image: Float[Tensor, "b 3 H W"],
    generator: torch.Generator,
    *,
    samples: int = 1000,
) -> Float[Tensor, ""]:
    """Mean squared difference of features, over random pairs that are near and alike in colour.

    Args:
        features: on any grid over the image.
        image: RGB in [0, 1].
        generator: of the random places.
        samples: places, each of which is compared with every other.
    """
    place = 2 * torch.rand(1, samples, 1, 2, generator=generator).to(features) - 1
    at = place.expand(len(features), -1, -1, -1)
    found, colours = (
        grid_sample(m, at, "bilinear", "border", align_corners=False)[..., 0].mT
        for m in (features, image.to(features))
    )
    apart = pairwise_squared_distances(place[:, :, 0])
    colour = pairwise_squared_distances(colours)
    likeness = APPEARANCE_WEIGHT * torch.exp(
        -apart / (2 * APPEARANCE_POSITION_WIDTH) - colour / (2 * APPEARANCE_COLOUR_WIDTH)
    )
    likeness = likeness + SMOOTHNESS_WEIGHT * torch.exp(-apart / (2 * SMOOTHNESS_WIDTH))
    return (likeness * pairwise_squared_distances(found) / found.shape[2]).mean()


def pairwise_squared_distances(points: Float[Tensor, "b n d"]) -> Float[Tensor, "b n n"]:
    """Between all pairs of points."""
    squares = points.square().sum(2)
    return (squares[:, :, None] + squares[:, None] - 2 * points @ points.mT).clamp(min=0)
