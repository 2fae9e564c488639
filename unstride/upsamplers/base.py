"""What an upsampler is: features on a coarse grid in, features on a fine grid out."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from unstride.ops import reassemble


class Upsampler(nn.Module):
    """Features from grid h x w to any size; by default `scale` times as fine.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
    """

    def __init__(self, channels: int, scale: int = 2):
        super().__init__()
        self.channels, self.scale = channels, scale

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        guide: Float[Tensor, "b 3 gh gw"] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """The features at `size`.

        Args:
            features: on the coarse grid.
            guide: the image that the features describe, RGB in [0, 1], covering the same
                area at any resolution; upsamplers without a guide ignore it.
            size: rows and columns of the result.
        """

    def output_size(self, features: Tensor, size: tuple[int, int] | None = None) -> tuple[int, int]:
        """`size`, or `scale` times the features' grid."""
        if size is None:
            return features.shape[2] * self.scale, features.shape[3] * self.scale
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size must be (height, width) in pixels, got {tuple(size)}")
        return size[0], size[1]

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, scale={self.scale}"


class Reassembly(Upsampler):
    """An upsampler that is a rule for the weights; a subclass writes `predict_weights` alone."""

    @abstractmethod
    def predict_weights(
        self, features: Tensor, guide: Tensor | None, size: tuple[int, int]
    ) -> Float[Tensor, "b g k k H W"]:
        """The weight of each tap of each output pixel, `size` being the output's."""

    def forward(self, features, guide=None, size=None):
        """Predict the weights, then reassemble."""
        size = self.output_size(features, size)
        return reassemble(features, self.predict_weights(features, guide, size))


def required_guide(guide: Tensor | None, features: Tensor, who: str) -> Tensor:
    """The guide, or a sentence that says what is missing."""
    if guide is None:
        raise ValueError(f"guide must be given: {who} takes its weights from an image")
    if guide.ndim != 4 or guide.shape[1] != 3 or guide.shape[0] != features.shape[0]:
        raise ValueError(
            f"guide must be ({features.shape[0]}, 3, height, width), got {tuple(guide.shape)}"
        )
    return guide.to(features.dtype)


def resized_guide(guide: Float[Tensor, "b d h w"], size: tuple[int, int]) -> Tensor:
    """The guide, or a description of its pixels, at another resolution: averaged, or bilinear."""
    if guide.shape[2] >= size[0] and guide.shape[3] >= size[1]:
        return adaptive_avg_pool2d(guide, size)
    return interpolate(guide, size, mode="bilinear", align_corners=False)
