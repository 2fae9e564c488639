"""TODO."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate


def check_guide(guide: Tensor | None, features: Tensor, channels: int, who: str) -> Tensor:
    """The guide, or a sentence that says what is missing."""
    if guide is None:
        raise ValueError(f"guide must be given: {who} takes its weights from a guide")
    if guide.ndim != 4 or guide.shape[1] != channels or guide.shape[0] != features.shape[0]:
        raise ValueError(
            f"guide must be ({features.shape[0]}, {channels}, height, width) for {who}, "
            f"got {tuple(guide.shape)}"
        )
    return guide.to(features.dtype)


def resize_guide(guide: Float[Tensor, "b d h w"], size: tuple[int, int]) -> Tensor:
    """The guide, or a description of its pixels, at another resolution: averaged, or bilinear."""
    if tuple(guide.shape[2:]) == size:
        return guide
    if guide.shape[2] >= size[0] and guide.shape[3] >= size[1]:
        return adaptive_avg_pool2d(guide, size)
    return interpolate(guide, size, mode="bilinear", align_corners=False)
