"""What an upsampler is: features on a coarse grid in, features on a fine grid out."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pixel_shuffle

from unstride.ops import reassemble
from unstride.saving.mixin import Saving


class Upsampler(Saving):
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


class Cascade(Upsampler):
    """One upsampler after another, each at its own scale; the last one meets the size.

    Args:
        upsamplers: from the coarsest on; each takes the same guide, resized to its grid.
    """

    def __init__(self, *upsamplers: Upsampler):
        super().__init__(upsamplers[0].channels, math.prod(up.scale for up in upsamplers))
        self.upsamplers = nn.ModuleList(upsamplers)
        needed = {n for up in upsamplers if (n := up.guide_channels) is not None}
        if len(needed) > 1:
            raise ValueError(f"guide_channels must agree in a cascade, got {sorted(needed)}")
        self.guide_channels = max(needed, default=None)

    def forward(self, features, guide=None, size=None):
        """Each stage in turn, but no finer than `size` before the last."""
        steps = self.steps(features.shape[2:], self.output_size(features, size))
        for up, (_, reached) in zip(self.upsamplers, steps, strict=True):
            features = up(features, guide, reached)
        return features

    def halo(self, grid, size, seen=None):
        """Of each stage, in cells of its own grid, beyond what the next stage needs."""
        needed = 0
        stages = zip(self.each, self.steps(grid, size), strict=True)
        for up, (before, after) in reversed(list(stages)):
            own = up.halo(before, after, seen)
            if own is None or type(up).describe is not Upsampler.describe:
                return None
            needed = own + cells_under(needed, before, after)
        return needed

    @property
    def each(self) -> list[Upsampler]:
        """The stages."""
        return [up for up in self.upsamplers if isinstance(up, Upsampler)]

    def steps(
        self, grid: Sequence[int], size: tuple[int, int]
    ) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """From which grid to which each stage goes."""
        grids = [(grid[0], grid[1])]
        for up in self.each[:-1]:
            h, w = (n * up.scale for n in grids[-1])
            grids.append((min(h, size[0]), min(w, size[1])))
        return list(pairwise([*grids, size]))


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel: mean 0, variance 1, then affine."""

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Every pixel alone."""
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


def required_guide(guide: Tensor | None, features: Tensor, channels: int, who: str) -> Tensor:
    """The guide, or a sentence that says what is missing."""
    if guide is None:
        raise ValueError(f"guide must be given: {who} takes its weights from a guide")
    if guide.ndim != 4 or guide.shape[1] != channels or guide.shape[0] != features.shape[0]:
        raise ValueError(
            f"guide must be ({features.shape[0]}, {channels}, height, width) for {who}, "
            f"got {tuple(guide.shape)}"
        )
    return guide.to(features.dtype)


def resized_guide(guide: Float[Tensor, "b d h w"], size: tuple[int, int]) -> Tensor:
    """The guide, or a description of its pixels, at another resolution: averaged, or bilinear."""
    if tuple(guide.shape[2:]) == size:
        return guide
    if guide.shape[2] >= size[0] and guide.shape[3] >= size[1]:
        return adaptive_avg_pool2d(guide, size)
    return interpolate(guide, size, mode="bilinear", align_corners=False)


def cells_under(pixels: int, grid: tuple[int, int], size: tuple[int, int]) -> int:
    """In how many cells of the grid so many neighbouring pixels of an output of `size` lie."""
    return max(-(-pixels * n // m) for n, m in zip(grid, size, strict=True))


def resizing_halo(grid: tuple[int, int], size: tuple[int, int]) -> int:
    """How many pixels of `grid` a bilinear resizing to `size`, antialiased or not, looks beyond."""
    return 0 if grid == size else cells_under(1, grid, size)


def shuffled(
    predictions: Float[Tensor, "b n h w"], scale: int, size: tuple[int, int]
) -> Float[Tensor, "b m H W"]:
    """Predictions for the scale x scale output pixels of each input pixel, as a map of `size`.

    At another size than `scale` times the grid, an output pixel takes the prediction made for
    the place where its centre lies; so every window keeps the weights of its input pixel.
    """
    return nearest(pixel_shuffle(predictions, scale), size)


def nearest(maps: Float[Tensor, "b d h w"], size: tuple[int, int]) -> Float[Tensor, "b d H W"]:
    """Each output pixel takes the value of the input pixel that holds its centre."""
    if tuple(maps.shape[2:]) == size:
        return maps
    if all(max(n, m) % min(n, m) == 0 for n, m in zip(maps.shape[2:], size, strict=True)):
        return interpolate(maps, size, mode="nearest-exact")
    for dim, n_out in ((3, size[1]), (2, size[0])):  # in whole numbers, as windows are placed
        twice = 2 * torch.arange(n_out, device=maps.device) + 1
        maps = maps.index_select(dim, twice * maps.shape[dim] // (2 * n_out))
    return maps


@contextmanager
def frozen_predictions(model: nn.Module) -> Iterator[None]:
    """Inside, no gradient passes through what the upsamplers in `model` predict.

    The gradient of an output pixel in the features is then the weight that each feature has in
    it, through any number of stages.
    """
    frozen = [
        (module, name)
        for module in model.modules()
        if isinstance(module, Upsampler | Downsampler)
        for name in dir(type(module))
        if name.startswith("predict_") and name not in vars(module)  # unless frozen already
    ]
    for module, name in frozen:
        setattr(module, name, torch.no_grad()(getattr(module, name)))
    try:
        yield
    finally:
        for module, name in frozen:
            delattr(module, name)
