"""Scores of filled images: absolute error, PSNR, SSIM and total variation, in holes or everywhere.

Scores are taken of the image as it is saved: the hole filled in, rounded to 8 bits. With a hole of
a quarter of the area, errors over the hole are four times those over the image, and PSNR is 6.02 dB
lower.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SCORES = "hole_l1", "image_l1", "hole_psnr", "image_psnr", "ssim", "tv_ratio"


def as_saved(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """The image rounded to 8 bits."""
    return (image.clamp(0, 1) * 255).round() / 255


def inpainting_scores(
    filled: Float[Tensor, "1 3 h w"],
    truth: Float[Tensor, "1 3 h w"],
    is_hole: Bool[Tensor, "1 1 h w"],
) -> dict[str, float]:
    """Score one filled image.

    Args:
        filled: RGB in [0, 1].
        truth: the original.
        is_hole: what was filled.

    Returns:
        `hole_l1` and `image_l1`, mean absolute errors in percent; `hole_psnr` and `image_psnr` in
        dB; `ssim` of the whole image (Gaussian window of 11 pixels, in [0, 1]); `tv_ratio`, the
        total variation of the hole as a share of the original's: below 1 is too smooth.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    filled, truth = as_saved(filled).double(), as_saved(truth).double()
    error = (filled - truth).abs()
    share = is_hole.double().mean()
    squared = error.square().mean()
    variation = [variation_within(image, is_hole) for image in (filled, truth)]
    ssim = structural_similarity_index_measure(filled.float(), truth.float(), data_range=1.0)
    assert isinstance(ssim, Tensor)
    return {
        "hole_l1": 100 * (error.mean() / share).item(),
        "image_l1": 100 * error.mean().item(),
        "hole_psnr": psnr(squared / share),
        "image_psnr": psnr(squared),
        "ssim": ssim.item(),
        "tv_ratio": (variation[0] / variation[1].clamp(min=1e-6)).item(),
    }


def variation_within(
    image: Float[Tensor, "1 3 h w"], region: Bool[Tensor, "1 1 h w"]
) -> Float[Tensor, ""]:
    """Sum of the absolute differences of neighbours that both lie in a region."""
    total = image.new_zeros(())
    for axis in (2, 3):
        both = region.narrow(axis, 1, image.shape[axis] - 1) & region.narrow(
            axis, 0, image.shape[axis] - 1
        )
        total = total + (image.diff(dim=axis).abs() * both).sum()
    return total


def psnr(mean_squared_error: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, of images in [0, 1]; at most 100."""
    return -10 * torch.log10(mean_squared_error.clamp(min=1e-10)).item()
