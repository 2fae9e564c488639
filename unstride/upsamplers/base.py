"""What an upsampler is: features on a coarse grid in, features on a fine grid out."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble
from unstride.saving.mixin import SavingMixin


class Upsampler(SavingMixin):
    """Features from grid h x w to any size; by default `scale` times as fine.

    What depends on the values of the features (weights, positions, gates) is predicted by
    methods called `predict_*`; given what they predict, the result is linear in the features.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
    """

    guide_channels: int | None = None  # of the guide that it needs; None if it takes none

    def __init__(self, channels: int, scale: int = 2):
        super().__init__()
        self.channels, self.scale = channels, scale

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        guide: Float[Tensor, "b d gh gw"] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """The features at `size`.

        Args:
            features: on the coarse grid.
            guide: what shows the details: the image that the features describe, RGB in
                [0, 1], or features of a finer layer. It covers the same area at any
                resolution; upsamplers without a guide ignore it.
            size: rows and columns of the result.
        """

    def halo(
        self, grid: tuple[int, int], size: tuple[int, int], seen: tuple[int, int] | None = None
    ) -> int | None:
        """How many cells beyond a part of the grid the output over that part looks, on each side.

        At the features and at the guide alike. None, as here, if it may look anywhere, if
        something is averaged over the whole map, or if positions are counted in maps: then it
        cannot be computed in tiles (tiles.py).

        Args:
            grid: rows and columns (h, w) of the features.
            size: rows and columns of the result.
            seen: rows and columns of the guide, if there is one.
        """
        del grid, size, seen
        return None

    def describe(
        self, guide: Float[Tensor, "b d gh gw"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "b e H W"] | None:
        """What is found in the whole guide, before tiles are cut out of it and of this.

        It lies on whole pixels in each cell of the grid, or on those of the result, and comes
        back to `forward` as `described`. None, as here, if there is nothing to find.

        Args:
            guide: of the whole map.
            grid: rows and columns (h, w) of the features.
            size: rows and columns of the result.
        """
        del guide, grid, size
        return None

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


class Downsampler(nn.Module):
    """Features from grid H x W to a coarser one: a rule for the weights, then `reassemble`.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
    """

    def __init__(self, channels: int, scale: int = 2):
        super().__init__()
        self.channels, self.scale = channels, scale

    @abstractmethod
    def predict_weights(
        self, features: Float[Tensor, "b c H W"], size: tuple[int, int]
    ) -> Float[Tensor, "b g k k h w"]:
        """The weight of each tap of each output pixel, `size` being the output's."""

    def forward(
        self, features: Float[Tensor, "b c H W"], size: tuple[int, int] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """The features at `size`, by default a pixel for each begun `scale` of pixels."""
        size = self.output_size(features) if size is None else size
        return reassemble(features, self.predict_weights(features, size))

    def output_size(self, features: Tensor) -> tuple[int, int]:
        """A pixel for each begun `scale` of pixels."""
        return -(-features.shape[2] // self.scale), -(-features.shape[3] // self.scale)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, scale={self.scale}"
