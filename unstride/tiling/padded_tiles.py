"""Computes the features of a padded image tile by tile: upsampled, cropped and resized.

The image was padded for the backbone. Each tile is upsampled, the padding is cropped off, and the
tile is resized if the upsampler cannot give the requested size itself.
"""

from collections.abc import Iterator
from math import ceil, prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.tiling.tiles import Tile, Tiles


class PaddedOutput(NamedTuple):
    """The upsampler's output for a padded image.

    Attributes:
        size: rows and columns.
        is_crop_enough: whether cropping gives the requested size, without resizing.
    """

    size: tuple[int, int]
    is_crop_enough: bool


class PaddedTiles:
    """The tiles of what `DenseFeatures.upsample` returns. Iterating computes them.

    Args:
        upsampler: in evaluation mode.
        features: of the padded image.
        guide: the padded image.
        padded_output: from `padded_output_size`.
        image_size: rows and columns of the image, without padding.
        size: rows and columns of the result.
        memory_limit: bytes that a tile may take, including all that is needed to compute it;
            None for no limit.

    Raises:
        ValueError: if the smallest tile exceeds the memory limit.
    """

    def __init__(
        self,
        upsampler: nn.Module,
        features: Float[Tensor, "b c gh gw"],
        guide: Float[Tensor, "b 3 h w"],
        padded_output: PaddedOutput,
        *,
        image_size: tuple[int, int],
        size: tuple[int, int],
        memory_limit: int | None,
    ):
        self.is_crop_enough = padded_output.is_crop_enough
        self.image_size, self.size = image_size, size
        overlap, extra = 0, 0.0
        if not self.is_crop_enough:
            shrink = [n / m for n, m in zip(image_size, size, strict=True)]
            overlap = ceil(1.5 * max(1, *shrink) + 1)  # the filter's support, and half a pixel
            resized = 1 / prod(shrink) + 1 / shrink[0]  # one axis is resized first, then both
            extra = features.shape[0] * features.shape[1] * features.itemsize * resized
        self.tiles = Tiles(
            upsampler, features, guide, padded_output.size,
            memory_limit=memory_limit, overlap=overlap, extra_bytes_per_pixel=extra,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.tiles)

    def __iter__(self) -> Iterator[Tile]:
        for tile in self.tiles:
            tile = self._cropped_tile(tile) if self.is_crop_enough else self._resized_tile(tile)
            if tile.features.numel():  # a tile may lie entirely in the padding
                yield tile

    def _cropped_tile(self, tile: Tile) -> Tile:
        y, x = (
            slice(min(s.start, n), min(s.stop, n))
            for s, n in zip((tile.rows, tile.columns), self.size, strict=True)
        )
        return Tile(y, x, (y, x), tile.features[:, :, : y.stop - y.start, : x.stop - x.start])

    def _resized_tile(self, tile: Tile) -> Tile:
        slices, weights = [], []
        for axis, tile_slice in enumerate((tile.rows, tile.columns)):
            n, m, source = self.image_size[axis], self.size[axis], tile.feature_slices[axis]
            outputs = slice(*(min(i, n) * m // n for i in (tile_slice.start, tile_slice.stop)))
            inputs = slice(min(source.start, n), min(source.stop, n))
            slices.append(outputs)
            weights.append(resize_weights(outputs, inputs, n, m).to(tile.features))
        (y, x), (rows, columns) = slices, weights
        fine = tile.features[:, :, : rows.shape[1], : columns.shape[1]]
        return Tile(y, x, (y, x), rows @ fine @ columns.T)


def padded_output_size(
    padded_size: tuple[int, int], image_size: tuple[int, int], size: tuple[int, int]
) -> PaddedOutput:
    """The size at which to upsample a padded image, and whether cropping it is enough.

    It is the padded area at the requested resolution if that is a whole number of pixels.
    Otherwise it is the padded size itself: the result is cropped, then resized. Rounding instead
    would shift the result by a fraction of a pixel.

    Args:
        padded_size: rows and columns of the padded image.
        image_size: rows and columns of the image, without padding.
        size: rows and columns of the result.
    """
    scaled = [n * m / at for n, m, at in zip(padded_size, size, image_size, strict=True)]
    if all(n.is_integer() for n in scaled):
        return PaddedOutput((int(scaled[0]), int(scaled[1])), True)
    return PaddedOutput(padded_size, False)


def resize_weights(
    outputs: slice, inputs: slice, input_size: int, output_size: int
) -> Float[Tensor, "y x"]:
    """Weights of some inputs in some outputs of a bilinear, antialiased resize of one axis.

    `F.interpolate(mode="bilinear", antialias=True)` computes whole images only.
    """
    ratio = input_size / output_size
    at = (torch.arange(outputs.start, outputs.stop, dtype=torch.float64) + 0.5) * ratio
    centres = torch.arange(inputs.start, inputs.stop, dtype=torch.float64) + 0.5
    weights = (1 - (centres - at[:, None]).abs() / max(ratio, 1)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
