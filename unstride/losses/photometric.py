"""Photometric losses of self-supervised depth: a frame, warped from another view, must match.

Godard, Mac Aodha, Firman, Brostow, "Digging Into Self-Supervised Monocular Depth Estimation",
ICCV 2019, arXiv:1806.01260, section 3.2: minimum reprojection (equation 4), auto-masking
(equation 5), smoothness (equation 3). The mixture of SSIM and L1 is that of Godard et al.,
CVPR 2017, arXiv:1609.03677; SSIM is Wang et al., TIP 2004, in 3 x 3 boxes. Written from the
formulas; the published code was not used.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

SSIM_WEIGHT = 0.85  # share of SSIM in the photometric error; the rest is L1
C1, C2 = 0.01**2, 0.03**2  # SSIM's constants for images in [0, 1]
TIE_BREAK_NOISE = 1e-5  # breaks ties of auto-masking where nothing moves at all


def ssim(
    image: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Structural similarity of the 3 x 3 box around each pixel; 1 where the boxes are equal.

    (2 mu nu + C1) (2 cov + C2) / ((mu^2 + nu^2 + C1) (var + var' + C2)), in [-1, 1]. The border is
    mirrored.

    Args:
        image: values in [0, 1], at least 2 x 2 pixels.
        other: likewise.
    """
    mean, mean_other = _box_mean(image), _box_mean(other)
    variance = _box_mean(image.square()) - mean.square()
    variance_other = _box_mean(other.square()) - mean_other.square()
    covariance = _box_mean(image * other) - mean * mean_other
    numerator = (2 * mean * mean_other + C1) * (2 * covariance + C2)
    denominator = (mean.square() + mean_other.square() + C1) * (variance + variance_other + C2)
    return numerator / denominator


def photometric_error(
    image: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b h w"]:
    """.85 (1 - SSIM) / 2 + .15 |image - other|, mean over channels; in [0, 1], 0 where equal."""
    structure = ((1 - ssim(image, other)) / 2).clamp(0, 1).mean(1)
    return SSIM_WEIGHT * structure + (1 - SSIM_WEIGHT) * (image - other).abs().mean(1)


def minimum_reprojection_loss(
    target: Float[Tensor, "b c h w"],
    warped_sources: list[Float[Tensor, "b c h w"]],
    sources: list[Float[Tensor, "b c h w"]] | None = None,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, ""], Bool[Tensor, "b h w"]]:
    """Mean over pixels of the smallest photometric error of any source, with auto-masking.

    The smallest error counts because a point hidden in one source may be visible in another.
    Auto-masking (with `sources`): where an unwarped source matches better, its error counts
    instead, and no gradient flows to depth or motion. Such a pixel does not move relative to the
    camera, or has no texture.

    Args:
        target: the frame, in [0, 1].
        warped_sources: the source frames, warped to the target's view.
        sources: the source frames as they are, for auto-masking. Default: no auto-masking.
        generator: random generator of the noise that breaks ties.

    Returns:
        The loss, at least 0 except for the noise, and a mask of the pixels where a warped source
        matches best.
    """
    error = _minimum_error(target, warped_sources)
    if sources is None:
        return error.mean(), torch.ones_like(error, dtype=torch.bool)
    identity = _minimum_error(target, sources)
    noise = torch.randn(identity.shape, generator=generator, dtype=identity.dtype)
    identity = identity + TIE_BREAK_NOISE * noise.to(identity.device)
    return torch.minimum(error, identity).mean(), error < identity


def edge_aware_smoothness_loss(
    disparity: Float[Tensor, "b h w"], image: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Mean |d_x| exp(-|I_x|) + mean |d_y| exp(-|I_y|), of disparity divided by its mean.

    The division keeps the loss from being lowered by shrinking the disparity. The image's
    differences are means over channels.

    Args:
        disparity: inverse depth in any unit, above 0.
        image: image of the same size, in [0, 1].
    """
    relative = disparity / disparity.mean((1, 2), keepdim=True).clamp(min=1e-7)
    total = relative.new_zeros(())
    for dim in (1, 2):
        edge = image.diff(dim=dim + 1).abs().mean(1)
        total = total + (relative.diff(dim=dim).abs() * torch.exp(-edge)).mean()
    return total


def _minimum_error(target: Tensor, images: list[Tensor]) -> Float[Tensor, "b h w"]:
    return torch.stack([photometric_error(image, target) for image in images]).amin(0)


def _box_mean(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    return avg_pool2d(pad(image, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
