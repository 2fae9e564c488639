"""Losses of alpha mattes over the unknown pixels of a trimap.

Alpha and composition losses: Xu, Price, Cohen, Huang, "Deep Image Matting", CVPR 2017,
arXiv:1703.03872, equations 1 and 2. Laplacian pyramid: Hou and Liu, "Context-Aware Image Matting",
ICCV 2019, arXiv:1909.09725, equation 3.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

EPSILON = 1e-6  # the smallest difference that counts
PYRAMID_LEVELS = 5

Alpha = Float[Tensor, "b 1 h w"]
Region = Bool[Tensor, "b 1 h w"]


def alpha_loss(alpha: Alpha, truth: Alpha, is_unknown: Region) -> Float[Tensor, ""]:
    """Mean of sqrt(difference^2 + epsilon^2) over unknown pixels; 0 if there are none.

    Args:
        alpha: predicted, in [0, 1].
        truth: the true matte.
        is_unknown: where it counts.
    """
    return masked_mean(smooth_absolute(alpha - truth), is_unknown)


def composition_loss(
    alpha: Alpha,
    image: Float[Tensor, "b 3 h w"],
    foreground: Float[Tensor, "b 3 h w"],
    background: Float[Tensor, "b 3 h w"],
    is_unknown: Region,
) -> Float[Tensor, ""]:
    """The same for the colours that the predicted matte would compose.

    Args:
        alpha: predicted, in [0, 1].
        image: the composite of the true matte, RGB in [0, 1].
        foreground: colours of the foreground.
        background: colours of the background.
        is_unknown: where it counts.
    """
    composed = alpha * foreground + (1 - alpha) * background
    error = smooth_absolute(composed - image).mean(1, keepdim=True)
    return masked_mean(error, is_unknown)


def gradient_loss(alpha: Alpha, truth: Alpha, is_unknown: Region) -> Float[Tensor, ""]:
    """Mean absolute difference of the slopes to the right and down, over unknown pixels."""
    difference = alpha - truth
    across, down = difference.diff(dim=3).abs(), difference.diff(dim=2).abs()
    error = pad(across, (0, 1)) + pad(down, (0, 0, 0, 1))
    return masked_mean(error, is_unknown)


def laplacian_loss(alpha: Alpha, truth: Alpha, is_unknown: Region) -> Float[Tensor, ""]:
    """Sum over levels of 2^level times the mean absolute difference of Laplacian pyramids.

    Outside the unknown region the prediction counts as right.
    """
    difference = (alpha - truth) * is_unknown
    total = difference.new_zeros(())
    for level in range(PYRAMID_LEVELS):
        if min(difference.shape[2:]) < 2:
            break
        coarse = blurred(difference)[:, :, ::2, ::2]
        size = difference.shape[2], difference.shape[3]
        fine = interpolate(coarse, size, mode="bilinear", align_corners=False)
        total = total + 2**level * (difference - fine).abs().mean()
        difference = coarse
    return total


def blurred(maps: Alpha) -> Alpha:
    """Convolved with the binomial kernel 1 4 6 4 1 in both directions."""
    kernel = torch.tensor([1.0, 4, 6, 4, 1]).to(maps) / 16
    padded = pad(maps, (2, 2, 2, 2), mode="replicate")
    return conv2d(conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])


def smooth_absolute(difference: Tensor) -> Tensor:
    """The absolute value, whose slope is continuous at 0."""
    return (difference.square() + EPSILON**2).sqrt()


def masked_mean(values: Alpha, region: Region) -> Float[Tensor, ""]:
    """The mean over a region; 0 if it is empty."""
    return (values * region).sum() / region.sum().clamp(min=1)
