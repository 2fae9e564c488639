"""What depth and motion must explain: one frame, seen from another's place, looks like it.

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

SSIM_WEIGHT = 0.85  # share of the structural part
C1, C2 = 0.01**2, 0.03**2  # of images in [0, 1]
TIE_BREAK_NOISE = 1e-5  # breaks the ties of auto-masking, where nothing moves at all


def ssim(
    image: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Structural similarity of each pixel's 3 x 3 box, mirrored at the border; 1 of equals.

    (2 mu nu + C1) (2 cov + C2) / ((mu^2 + nu^2 + C1) (var + var' + C2)), in [-1, 1].

    Args:
        image: in [0, 1], of at least 2 x 2 pixels.
        other: likewise.
    """
    mean, mean_other = _box_mean(image), _box_mean(other)
    variance = _box_mean(image.square()) - mean.square()
    variance_other = _box_mean(other.square()) - mean_other.square()
    covariance = _box_mean(image * other) - mean * mean_other
    above = (2 * mean * mean_other + C1) * (2 * covariance + C2)
    below = (mean.square() + mean_other.square() + C1) * (variance + variance_other + C2)
    return above / below


def photometric_error(
    image: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b h w"]:
    """.85 (1 - SSIM) / 2 + .15 |image - other|, means over channels; 0 of equals, at most 1."""
    structure = ((1 - ssim(image, other)) / 2).clamp(0, 1).mean(1)
    return SSIM_WEIGHT * structure + (1 - SSIM_WEIGHT) * (image - other).abs().mean(1)


def minimum_reprojection_loss(
    target: Float[Tensor, "b c h w"],
    warped: list[Float[Tensor, "b c h w"]],
    sources: list[Float[Tensor, "b c h w"]] | None = None,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, ""], Bool[Tensor, "b h w"]]:
    """The mean over pixels of the least error of any source, and where a warped one is least.

    What is hidden in one source may be seen in another, so the least counts. With `sources`, a
    pixel that an unwarped source explains better counts with that source's error, through which no
    gradient flows to depth or motion: it stands still before the camera, or has no texture.

    Args:
        target: the frame, in [0, 1].
        warped: the sources as seen from the target's place.
        sources: as they are, for auto-masking; None for none.
        generator: of the noise that breaks ties.

    Returns:
        The loss, at least 0 but for the noise, and True where it follows depth and motion.
    """
    best = _minimum_error(target, warped)
    if sources is None:
        return best.mean(), torch.ones_like(best, dtype=torch.bool)
    still = _minimum_error(target, sources)
    noise = torch.randn(still.shape, generator=generator, dtype=still.dtype).to(still.device)
    still = still + TIE_BREAK_NOISE * noise
    return torch.minimum(best, still).mean(), best < still


def edge_aware_smoothness_loss(
    disparity: Float[Tensor, "b h w"], image: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Mean |d_x| exp(-|I_x|) + mean |d_y| exp(-|I_y|), of disparity over its mean.

    Over its mean, so that it does not pay to shrink the disparity. The image's differences are
    means over channels.

    Args:
        disparity: inverse depth in any unit, above 0.
        image: of the same size, in [0, 1].
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
