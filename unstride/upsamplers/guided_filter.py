"""The guided filter as an upsampler: locally, features are a linear function of the guide.

He, Sun, Tang, "Guided Image Filtering", ECCV 2010, section 3.3 (colour guides). The function is
fitted on the coarse grid and applied on the fine grid, as in He and Sun, "Fast Guided Filter",
arXiv:1505.00996. Windows are cut off at the border.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from unstride.ops.exporting import standard_operators_only
from unstride.saving.argument_ranges import NonNegativeInt, PositiveFloat, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import check_guide, resize_guide

MAX_GUIDE_CHANNELS = 16  # the number of maps held at a time grows with its square


class GuidedFilter(Upsampler):
    """Weights sum to one but are not convex: a local regression of the features on the guide.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the guide, for example an image; 1 to 16.
        radius: of the window of the regression, in input pixels.
        epsilon: variance of the guide that counts as none, for colours in [0, 1]; above 0.

    Raises:
        ValueError: if guide_channels is not in 1 to 16, or another option is out of range.
    """

    guide_channels: int

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt = 3,
        radius: NonNegativeInt = 1,
        epsilon: PositiveFloat = 0.01,
    ):
        super().__init__(channels, scale)
        if guide_channels > MAX_GUIDE_CHANNELS:
            raise ValueError(
                f"guide_channels must be 1 to {MAX_GUIDE_CHANNELS} for guided_filter, whose "
                f"memory grows with their square, got {guide_channels}; "
                "guided_filter:guide_channels=3 takes an image as its guide"
            )
        self.guide_channels, self.radius, self.epsilon = guide_channels, radius, epsilon

    def halo(self, grid, size, guide_size=None):
        """Two means over windows, then a bilinear resize."""
        return 2 * self.radius + 1

    def forward(self, features, guide=None, size=None):
        """Fit slopes and intercept on the coarse grid, upsample them bilinearly, apply them."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, self.guide_channels, "guided_filter")
        fine = resize_guide(guide, size)
        coarse = resize_guide(guide, (features.shape[2], features.shape[3]))
        slopes, intercept = self.linear_coefficients(features, coarse)
        out = interpolate(intercept, size, mode="bilinear", align_corners=False)
        for d, slope in enumerate(slopes):
            slope = interpolate(slope, size, mode="bilinear", align_corners=False)
            out = add_product(out, slope, fine[:, d : d + 1])
        return out

    def linear_coefficients(
        self, features: Float[Tensor, "b c h w"], guide: Float[Tensor, "b d h w"]
    ) -> tuple[list[Float[Tensor, "b c h w"]], Float[Tensor, "b c h w"]]:
        """Slope in each guide channel, and intercept: fitted around each pixel, then averaged."""
        # The guide is centred: small numbers lose fewer digits when they are subtracted.
        guide = guide - (centre := guide.mean((2, 3), keepdim=True))
        channels, centres = guide.split(1, 1), centre.split(1, 1)
        mean_f, mean_g = self.box_mean(features), self.box_mean(guide)
        products = self.box_mean((guide[:, :, None] * guide[:, None]).flatten(1, 2))
        products = products.unflatten(1, (guide.shape[1], -1))
        covariance = products - mean_g[:, :, None] * mean_g[:, None]
        ridge = self.epsilon * torch.eye(guide.shape[1]).to(covariance)
        inverse = inverse_spd(covariance + ridge[:, :, None, None])
        means = mean_g.split(1, 1)
        cross_covariances = [
            self.box_mean(features * g) - mean_f * m for g, m in zip(channels, means, strict=True)
        ]
        slopes, intercept = [], mean_f
        for d, m in enumerate(means):
            slope = torch.zeros_like(mean_f)
            for e, cross_covariance in enumerate(cross_covariances):
                slope = add_product(slope, cross_covariance, inverse[:, e, d, None])
            intercept = add_product(intercept, slope, m, sign=-1)
            slopes.append(self.box_mean(slope))
        intercept = self.box_mean(intercept)
        for slope, m in zip(slopes, centres, strict=True):
            intercept = add_product(intercept, slope, m, sign=-1)
        return slopes, intercept

    def box_mean(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The mean over each window, of the pixels on the map."""
        r = self.radius
        return avg_pool2d(maps, 2 * r + 1, 1, r, count_include_pad=False)


def add_product(total: Tensor, first: Tensor, second: Tensor, sign: int = 1) -> Tensor:
    """total + sign * first * second; `addcmul` saves memory but is missing in some runtimes."""
    if standard_operators_only():
        return total + sign * (first * second)
    return torch.addcmul(total, first, second, value=sign)


def inverse_spd(matrices: Float[Tensor, "b d d h w"]) -> Float[Tensor, "b d d h w"]:
    """Invert symmetric positive definite matrices by Gauss-Jordan elimination without pivots.

    Written out because no ONNX operator inverts a matrix.
    """
    d = matrices.shape[1]
    identity = torch.eye(d).to(matrices)[:, :, None, None].expand_as(matrices)
    augmented = torch.cat([matrices, identity], 2)
    for i in range(d):
        row = augmented[:, i : i + 1] / augmented[:, i : i + 1, i : i + 1]
        rest = augmented - augmented[:, :, i : i + 1] * row
        augmented = torch.cat([rest[:, :i], row, rest[:, i + 1 :]], 1)
    return augmented[:, :, d:]
