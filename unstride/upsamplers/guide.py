"""Checks the guide of an upsampler and resizes it to the grid where it is needed."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.ops.average_pool import average_to_size
from unstride.upsamplers.image_check import check_image_type


def check_guide(
    guide: Tensor | None, features: Tensor, channels: int, upsampler_name: str
) -> Tensor:
    """Check that a guide fits the features, and return it in their dtype.

    Args:
        guide: as given to `forward`.
        features: as given to `forward`.
        channels: that the guide must have.
        upsampler_name: for the error messages.

    Raises:
        ValueError: if the guide is missing, has another shape, or whole numbers as values.
    """
    if guide is None:
        raise ValueError(f"guide must be given: {upsampler_name} computes its weights from a guide")
    if guide.ndim != 4 or guide.shape[1] != channels or guide.shape[0] != features.shape[0]:
        raise ValueError(
            f"guide must be ({features.shape[0]}, {channels}, height, width) for "
            f"{upsampler_name}, got {tuple(guide.shape)}"
        )
    check_image_type(guide, "guide")
    return guide.to(features.dtype)


def resize_guide(guide: Float[Tensor, "b d h w"], size: tuple[int, int]) -> Tensor:
    """Resize a guide, or features of it: by averages if it shrinks, else bilinearly."""
    if tuple(guide.shape[2:]) == size:
        return guide
    if guide.shape[2] >= size[0] and guide.shape[3] >= size[1]:
        return average_to_size(guide, size)
    return interpolate(guide, size, mode="bilinear", align_corners=False)
