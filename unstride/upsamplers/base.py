"""The contract of every operator: `Upsampler`, `Reassembly` and `Downsampler`."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble
from unstride.ops.window import ceil_div
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.saving.mixin import SavingMixin
from unstride.upsamplers.resize import checked_size


class Upsampler(SavingMixin):
    """Upsamples features from a grid h x w to any size; by default to `scale` times the grid.

    What depends on the values of the features (weights, positions, gates) is predicted by
    methods named `predict_*`. Given these predictions, the result is linear in the features.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
    """

    guide_channels: int | None = None  # of the guide that is required; None: it takes no guide
    fixed_channels = False  # whether the parameters fit features of `channels` channels only
    starts: tuple[str, ...] = ()  # interpolations as which it can begin, the default first

    def __init__(self, channels: PositiveInt, scale: PositiveInt = 2):
        super().__init__()
        self.channels, self.scale = channels, scale

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        guide: Float[Tensor, "b d gh gw"] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """Upsample the features to `size`.

        Args:
            features: on the coarse grid.
            guide: what shows the details: the image that the features describe, RGB in
                [0, 1], or features of a finer layer. It covers the same area at any
                resolution. Upsamplers without a guide ignore it.
            size: rows and columns of the result. Default: `scale` times the grid.

        Raises:
            ValueError: if the features or the guide have another shape, or the size is no pair.
        """

    def halo(
        self,
        grid: tuple[int, int],
        size: tuple[int, int],
        guide_size: tuple[int, int] | None = None,
    ) -> int | None:
        """Number of cells around a tile that the tile's output depends on; None if unbounded.

        `unstride.tiling` computes large results tile by tile. A tile is a rectangle of cells of
        the features' grid. The output pixels over a tile also depend on features and guide
        around it. The halo is how far that reaches, on each side, in whole cells. It holds for
        the features and for the guide, cut out over the same cells::

            one row of cells        . . . + + T T T T + + . . .
            input that is read            |<----------->|         tile + halo of 2 cells
            output that is correct            |<--->|             all pixels over the tile

        The default, None, means that the operator cannot be computed in tiles. That is right
        if an output pixel may depend on any cell, if something is averaged over the whole map,
        or if positions are measured relative to the size of the map.

        Args:
            grid: rows and columns (h, w) of the features.
            size: rows and columns of the result.
            guide_size: rows and columns of the guide. Default: no guide.
        """
        del grid, size, guide_size
        return None

    def encode_guide(
        self, guide: Float[Tensor, "b d gh gw"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "b e H W"] | None:
        """Compute features that need the whole guide, once, before it is cut into tiles.

        `forward` gets them back as `guide_features`, cut out like the guide. Their grid must
        be that of the result, or have a whole number of pixels in each cell. The default,
        None, means that no such features are needed.

        Args:
            guide: of the whole map.
            grid: rows and columns (h, w) of the features.
            size: rows and columns of the result.
        """
        del guide, grid, size
        return None

    def output_size(self, features: Tensor, size: Any = None) -> tuple[int, int]:
        """`size` if it is given, else `scale` times the features' grid.

        Raises:
            ValueError: if the features have another shape than the upsampler takes, or the size
                is not a pair (height, width).
        """
        check_features(self, features)
        if size is None:
            return features.shape[2] * self.scale, features.shape[3] * self.scale
        return checked_size(size)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, scale={self.scale}"


class Reassembly(Upsampler):
    """An upsampler that is a rule for the weights; a subclass writes `predict_weights` alone."""

    @abstractmethod
    def predict_weights(
        self, features: Tensor, guide: Tensor | None, size: tuple[int, int]
    ) -> Float[Tensor, "b g k k H W"]:
        """Predict the weight of each tap of each output pixel, for an output of `size`."""

    def forward(self, features, guide=None, size=None):
        """Predict the weights, then reassemble."""
        size = self.output_size(features, size)
        return reassemble(features, self.predict_weights(features, guide, size))


class Downsampler(nn.Module):
    """Downsamples features from a grid H x W: a rule for the weights, then `reassemble`.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
    """

    fixed_channels = False  # whether the parameters fit features of `channels` channels only

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.__init__ = checked(cls.__init__)  # type: ignore[method-assign]

    @checked
    def __init__(self, channels: PositiveInt, scale: PositiveInt = 2):
        super().__init__()
        self.channels, self.scale = channels, scale

    @abstractmethod
    def predict_weights(
        self, features: Float[Tensor, "b c H W"], size: tuple[int, int]
    ) -> Float[Tensor, "b g k k h w"]:
        """Predict the weight of each tap of each output pixel, for an output of `size`."""

    def forward(
        self, features: Float[Tensor, "b c H W"], size: Any = None
    ) -> Float[Tensor, "b c h w"]:
        """Downsample the features to `size`. Default: their grid divided by `scale`, rounded up.

        Raises:
            ValueError: if the features have another shape than the downsampler takes, or the size
                is not a pair (height, width).
        """
        check_features(self, features)
        size = self.output_size(features) if size is None else checked_size(size)
        return reassemble(features, self.predict_weights(features, size))

    def output_size(self, features: Tensor) -> tuple[int, int]:
        """The features' grid divided by `scale`, rounded up."""
        return ceil_div(features.shape[2], self.scale), ceil_div(features.shape[3], self.scale)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, scale={self.scale}"


def check_features(operator: Upsampler | Downsampler, features: Tensor) -> None:
    """Check that an operator can take these features.

    Raises:
        ValueError: if they are not floating-point maps, or have another number of channels than
            the operator's parameters fit.
    """
    if torch.jit.is_tracing():  # the tracer warns of every look at a size
        return
    is_fixed, channels = operator.fixed_channels, operator.channels
    if features.ndim != 4 or (is_fixed and features.shape[1] != channels):
        raise ValueError(
            f"features must be (batch, {channels if is_fixed else 'channels'}, height, width) "
            f"for {type(operator).__name__}, got {tuple(features.shape)}"
        )
    if is_fixed and not features.is_floating_point():
        raise ValueError(f"features must have a floating-point type, got {features.dtype}")
