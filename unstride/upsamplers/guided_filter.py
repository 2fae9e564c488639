"""The guided filter as an upsampler: locally, features are a linear function of the guide.

He, Sun, Tang, "Guided Image Filtering", ECCV 2010, section 3.3 (colour guides); the function is
fitted on the coarse grid and applied on the fine one, as in He and Sun, "Fast Guided Filter",
arXiv:1505.00996. Windows are cut off at the border.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import (
    check_guide,
    resize_guide,
)

MAX_GUIDE_CHANNELS = 16  # the regression holds their square of maps


class GuidedFilter(Upsampler):
    """Weights sum to one but are not convex: a local regression of the features on the guide.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the guide, an image for instance; 1 to 16.
        radius: of the window in which the regression is made, in input pixels.
        epsilon: variance of the guide that counts as none, where colours are in [0, 1].

    Raises:
        ValueError: if there are more guide channels.
    """

    guide_channels: int

    def __init__(
        self,
        channels: int,
        scale: int = 2,
        *,
        guide_channels: int = 3,
        radius: int = 1,
        epsilon: float = 0.01,
    ):
        super().__init__(channels, scale)
        if not 1 <= guide_channels <= MAX_GUIDE_CHANNELS:
            raise ValueError(
                f"guide_channels {guide_channels}: guided_filter takes 1 to "
                f"{MAX_GUIDE_CHANNELS}, for its memory grows with their square; "
                "guided_filter:guide_channels=3 looks at an image"
            )
        self.guide_channels, self.radius, self.epsilon = guide_channels, radius, epsilon

    def halo(self, grid, size, seen=None):
        """Both means over windows, and bilinear's."""
        return 2 * self.radius + 1

    def forward(self, features, guide=None, size=None):
        """Fit slope and intercept on the coarse grid, enlarge them bilinearly, apply them."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, self.guide_channels, "guided_filter")
        fine = resize_guide(guide, size)
        slopes, intercept = self.regress(
            features, resize_guide(guide, (features.shape[2], features.shape[3]))
        )
        out = interpolate(intercept, size, mode="bilinear", align_corners=False)
        for d, slope in enumerate(slopes):
            slope = interpolate(slope, size, mode="bilinear", align_corners=False)
            out = torch.addcmul(out, slope, fine[:, d : d + 1])
        return out

    def regress(
        self, features: Float[Tensor, "b c h w"], guide: Float[Tensor, "b d h w"]
    ) -> tuple[list[Float[Tensor, "b c h w"]], Float[Tensor, "b c h w"]]:
        """Slope in each guide channel and intercept, around each pixel, then averaged."""
        guide = guide - (centre := guide.mean((2, 3), keepdim=True))  # small numbers cancel less
        channels, centres = guide.split(1, 1), centre.split(1, 1)
        mean_f, mean_g = self.mean(features), self.mean(guide)
        pairs = self.mean((guide[:, :, None] * guide[:, None]).flatten(1, 2))
        covariance = pairs.unflatten(1, (guide.shape[1], -1)) - mean_g[:, :, None] * mean_g[:, None]
        ridge = self.epsilon * torch.eye(guide.shape[1]).to(covariance)
        inverse = inverse_spd(covariance + ridge[:, :, None, None])
        means = mean_g.split(1, 1)
        mixed = [self.mean(features * g) - mean_f * m for g, m in zip(channels, means, strict=True)]
        slopes, intercept = [], mean_f
        for d, m in enumerate(means):
            slope = torch.zeros_like(mean_f)
            for e, mix in enumerate(mixed):
                slope = torch.addcmul(slope, mix, inverse[:, e, d, None])
            intercept = torch.addcmul(intercept, slope, m, value=-1)
            slopes.append(self.mean(slope))
        intercept = self.mean(intercept)
        for slope, m in zip(slopes, centres, strict=True):
            intercept = torch.addcmul(intercept, slope, m, value=-1)
        return slopes, intercept

    def mean(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Over each window, of the pixels on the map."""
        r = self.radius
        return avg_pool2d(maps, 2 * r + 1, 1, r, count_include_pad=False)


def inverse_spd(matrices: Float[Tensor, "b d d h w"]) -> Float[Tensor, "b d d h w"]:
    """Of symmetric positive definite matrices, by Gauss and Jordan; they need no pivots.

    Written out because no ONNX operator inverts a matrix.
    """
    d = matrices.shape[1]
    identity = torch.eye(d).to(matrices)[:, :, None, None].expand_as(matrices)
    both = torch.cat([matrices, identity], 2)
    for i in range(d):
        row = both[:, i : i + 1] / both[:, i : i + 1, i : i + 1]
        others = both - both[:, :, i : i + 1] * row
        both = torch.cat([others[:, :i], row, others[:, i + 1 :]], 1)
    return both[:, :, d:]
