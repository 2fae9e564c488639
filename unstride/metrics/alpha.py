"""Errors of alpha mattes, as the original evaluation code computes them: SAD, MSE, Grad, Conn.

Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009, as in the
evaluation code of Xu et al., "Deep Image Matting", CVPR 2017, arXiv:1703.03872. All are taken over
the trimap's unknown pixels; SAD, Grad and Conn are divided by 1000. They grow with the image, so
numbers of small images do not compare with those of large ones.
"""

from itertools import pairwise
from math import ceil, log, pi, sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from unstride.metrics.checks import check_same_size

SIGMA, CUT_OFF = 1.4, 1e-2  # of the derivatives' Gaussian, and where its tail is cut
LEVELS = [i / 10 for i in range(11)]  # thresholds of connectivity
TOLERATED = 0.15  # difference to the connected level that counts as none

Alpha = Float[Tensor, "h w"]
Region = Bool[Tensor, "h w"]


def alpha_errors(alpha: Alpha, truth: Alpha, is_unknown: Region) -> dict[str, float]:
    """Compute all four errors.

    Args:
        alpha: predicted, in [0, 1].
        truth: the true matte.
        is_unknown: the pixels that the trimap leaves open.

    Returns:
        `sad`, `mse`, `grad` and `conn`; 0 if nothing is unknown.

    Raises:
        ValueError: if the sizes differ.
    """
    check_same_size(alpha.shape, truth.shape)
    check_same_size(alpha.shape, is_unknown.shape, "prediction and trimap")
    alpha, truth = alpha.double(), truth.double()
    return {
        "sad": absolute_error(alpha, truth, is_unknown),
        "mse": squared_error(alpha, truth, is_unknown),
        "grad": gradient_error(alpha, truth, is_unknown),
        "conn": connectivity_error(alpha, truth, is_unknown),
    }


def absolute_error(alpha: Alpha, truth: Alpha, is_unknown: Region) -> float:
    """Sum of absolute differences, in thousands."""
    return (alpha - truth).abs()[is_unknown].sum().item() / 1000


def squared_error(alpha: Alpha, truth: Alpha, is_unknown: Region) -> float:
    """Mean of squared differences; 0 if nothing is unknown."""
    squares = (alpha - truth).square()[is_unknown]
    return squares.mean().item() if len(squares) else 0.0


def gradient_error(alpha: Alpha, truth: Alpha, is_unknown: Region) -> float:
    """Sum of squared differences of gradients' lengths, in thousands, of stretched mattes."""
    lengths = [gradient_length(stretched(matte)) for matte in (alpha, truth)]
    return (lengths[0] - lengths[1]).square()[is_unknown].sum().item() / 1000


def connectivity_error(alpha: Alpha, truth: Alpha, is_unknown: Region) -> float:
    """Sum of differences in connectedness, in thousands.

    A pixel is connected up to the last level at which it belongs to the largest region where both
    mattes reach that level.
    """
    level = torch.ones_like(alpha)
    is_open = torch.ones_like(is_unknown)
    for lower, upper in pairwise(LEVELS):
        is_connected = largest_component((alpha >= upper) & (truth >= upper))
        level[is_open & ~is_connected] = lower
        is_open &= is_connected
    degrees = [connectedness(matte, level) for matte in (alpha, truth)]
    return (degrees[0] - degrees[1]).abs()[is_unknown].sum().item() / 1000


def connectedness(matte: Alpha, level: Alpha) -> Alpha:
    """1 less what lies above the connected level, if that is more than tolerated."""
    excess = matte - level
    return 1 - excess * (excess >= TOLERATED)


def largest_component(region: Region) -> Region:
    """The largest set of pixels connected by their sides; of equally large ones the first."""
    from scipy.ndimage import label

    labels, count = label(region.cpu().numpy())
    if not count:
        return torch.zeros_like(region)
    numbers = torch.from_numpy(labels).to(region.device)
    sizes = torch.bincount(numbers.flatten().long())
    sizes[0] = 0
    return numbers == sizes.argmax()


def stretched(matte: Alpha) -> Alpha:
    """Scaled so that the smallest value is 0 and the largest 1; a constant becomes 0."""
    low, high = matte.min(), matte.max()
    return (matte - low) / (high - low) if high > low else torch.zeros_like(matte)


def gradient_length(matte: Alpha) -> Alpha:
    """The length of the gradient by derivatives of a Gaussian, each of which has unit norm."""
    half = ceil(SIGMA * sqrt(-2 * log(sqrt(2 * pi) * SIGMA * CUT_OFF)))
    offsets = torch.arange(-half, half + 1, dtype=matte.dtype, device=matte.device)
    gaussian = (-offsets.square() / (2 * SIGMA**2)).exp() / (SIGMA * sqrt(2 * pi))
    derivative = -offsets * gaussian / SIGMA**2
    kernel = gaussian[:, None] * derivative
    kernel = kernel / kernel.norm()
    padded = pad(matte[None, None], (half,) * 4, mode="replicate")
    across, down = (conv2d(padded, k[None, None])[0, 0] for k in (kernel, kernel.T))
    return (across.square() + down.square()).sqrt()
