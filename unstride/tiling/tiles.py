"""Computes an upsampler's result tile by tile: the same numbers in less memory.

::

    . . . . . . . . .      Each character is one cell of the features' grid: one feature vector,
    . + + + + + + + .      which covers the same area as a block of output pixels.
    . + + + + + + + .
    . + + T T T + + .      T   the tile: a rectangle of cells; its output pixels are kept
    . + + T T T + + .      +   its halo: cells around the tile that its output also depends on,
    . + + + + + + + .          here 2 on each side; `Upsampler.halo` says how many
    . + + + + + + + .      .   cells that this tile does not read

The tiles cover the grid without overlap; their halos overlap. The upsampler runs on the tile and
its halo, and the output over the halo is cut off. At the border of the map a tile has no halo, so
that the operator treats that border as it does on the whole map.
"""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.tiling.peak_memory import peak_bytes
from unstride.tiling.tile_axis import TileAxis, TileSpan
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.resize import cells_covering

SAFETY_FACTOR = 1.7  # memory of a tile over what the dry run counts: allocators keep some of it
MAX_ALLOCATOR_CACHE = 250_000_000  # bytes that an allocator keeps after tensors are freed, at most


class Tile(NamedTuple):
    """The result of one tile.

    Attributes:
        rows, columns: of the result. No other tile has them.
        feature_slices: rows and columns that `features` covers: the same, plus the overlap.
        features: the result over `feature_slices`.
    """

    rows: slice
    columns: slice
    feature_slices: tuple[slice, slice]
    features: Float[Tensor, "b c H W"]


class Tiles:
    """The tiles of an upsampler's result. Iterating computes them, without gradients.

    Of all tilings that fit into the memory limit, the one that reads the fewest cells is used.

    Args:
        upsampler: in evaluation mode. A module without `halo` is computed in one tile.
        features, guide, size: arguments of the upsampler.
        memory_limit: bytes that a tile may take, including all that is needed to compute it.
            Default: no limit, one tile.
        overlap: output pixels that each tile has in common with its neighbours, on each side.
        extra_bytes_per_pixel: bytes that the caller needs for each output pixel of a tile.

    Raises:
        ValueError: if the smallest tile exceeds the memory limit.
    """

    def __init__(
        self,
        upsampler: Upsampler | nn.Module,
        features: Float[Tensor, "b c h w"],
        guide: Float[Tensor, "b d gh gw"] | None,
        size: tuple[int, int],
        *,
        memory_limit: int | None = None,
        overlap: int = 0,
        extra_bytes_per_pixel: float = 0,
    ):
        if getattr(upsampler, "guide_channels", 0) is None:
            guide = None
        self.upsampler, self.features, self.guide = upsampler, features, guide
        self.overlap, self.extra_bytes_per_pixel = overlap, extra_bytes_per_pixel
        grid = features.shape[2], features.shape[3]
        guide_size = size if guide is None else (guide.shape[2], guide.shape[3])
        halo = _tile_halo(upsampler, grid, size, None if guide is None else guide_size)
        if halo is not None:
            halo += cells_covering(overlap, grid, size)
        self.axes = [
            TileAxis(*lengths, halo) for lengths in zip(grid, size, guide_size, strict=True)
        ]
        self.guide_features: Tensor | None = None
        self.tile_counts = (1, 1) if memory_limit is None else self._fit_tile_counts(memory_limit)
        if len(self) > 1 and upsampler.training:
            raise ValueError("upsampler must be in evaluation mode to be computed in tiles")

    def __len__(self) -> int:
        return prod(self.tile_counts)

    def __iter__(self) -> Iterator[Tile]:
        rows, columns = self.axes
        n_rows, n_columns = self.tile_counts
        for spans in product(rows.spans(n_rows), columns.spans(n_columns)):
            yield self._compute_tile(spans)

    @torch.no_grad()
    def _compute_tile(self, spans: tuple[TileSpan, ...]) -> Tile:
        rows, columns = self._output_slices(spans, 0)
        y, x = self._output_slices(spans, self.overlap)
        (top, bottom), (left, right) = (
            (axis.output_pixel(span.halo_start), axis.output_pixel(span.halo_stop))
            for axis, span in zip(self.axes, spans, strict=True)
        )
        cells = [slice(span.halo_start, span.halo_stop) for span in spans]
        features, guide, guide_features = self._tile_inputs(cells)
        options = {} if guide_features is None else {"guide_features": guide_features}
        fine = self.upsampler(features, guide, (bottom - top, right - left), **options)
        fine = fine[:, :, y.start - top : y.stop - top, x.start - left : x.stop - left]
        return Tile(rows, columns, (y, x), fine)

    def _output_slices(self, spans: tuple[TileSpan, ...], overlap: int) -> list[slice]:
        """Rows and columns of the result over a tile, plus `overlap` pixels on each side."""
        return [
            slice(
                max(axis.output_pixel(span.start) - overlap, 0),
                min(axis.output_pixel(span.stop) + overlap, axis.pixels),
            )
            for axis, span in zip(self.axes, spans, strict=True)
        ]

    def _tile_inputs(self, cells: list[slice]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Features, guide and guide features over a rectangle of cells."""
        rows, columns = cells
        features, guide, guide_features = (
            self.features[:, :, rows, columns],
            self.guide,
            self.guide_features,
        )
        if guide is not None:
            y, x = (
                slice(axis.guide_pixel(s.start), axis.guide_pixel(s.stop))
                for axis, s in zip(self.axes, cells, strict=True)
            )
            guide = guide[:, :, y, x]
        if guide_features is not None:
            y, x = (
                slice(s.start * n // axis.cells, s.stop * n // axis.cells)
                for axis, s, n in zip(self.axes, cells, guide_features.shape[2:], strict=True)
            )
            guide_features = guide_features[:, :, y, x]
        return features, guide, guide_features

    @torch.no_grad()
    def _encode_guide(self, memory_limit: int) -> None:
        """Compute what all tiles need from the whole guide.

        Raises:
            ValueError: if that exceeds the memory limit.
        """
        if self.guide is None or not isinstance(self.upsampler, Upsampler):
            return
        rows, columns = self.axes
        size = rows.pixels, columns.pixels
        encoder = _GuideEncoder(self.upsampler, (rows.cells, columns.cells))
        needed = int(SAFETY_FACTOR * peak_bytes(encoder, self.features, self.guide, size))
        if needed > memory_limit:
            raise ValueError(
                f"memory must leave {_format_bytes(needed)} to encode the whole guide, "
                f"but leaves {_format_bytes(memory_limit)}"
            )
        self.guide_features = encoder(self.features, self.guide, size)

    def _fit_tile_counts(self, memory_limit: int) -> tuple[int, int]:
        """The numbers of tiles along rows and columns that fit into the memory limit."""
        rows, columns = self.axes

        def max_cells(counts: tuple[int, int]) -> int:
            return rows.max_cells(counts[0]) * columns.max_cells(counts[1])

        def total_cells(counts: tuple[int, int]) -> int:
            return rows.total_cells(counts[0]) * columns.total_cells(counts[1])

        if self._tile_bytes((1, 1)) <= memory_limit:
            return 1, 1
        self._encode_guide(memory_limit)
        candidates = sorted(
            product(rows.useful_tile_counts(), columns.useful_tile_counts()),
            key=lambda counts: (total_cells(counts), prod(counts)),
        )
        bytes_per_cell = self._tile_bytes((1, 1)) / max_cells((1, 1))  # a quick first check
        for counts in candidates:
            estimate = bytes_per_cell * max_cells(counts)
            if estimate <= memory_limit and self._tile_bytes(counts) <= memory_limit:
                return counts
        raise ValueError(self._memory_error(min(candidates, key=max_cells), memory_limit))

    def _tile_bytes(self, tile_counts: tuple[int, int]) -> int:
        """Bytes that the largest tile takes."""
        h, w = (axis.max_cells(n) for axis, n in zip(self.axes, tile_counts, strict=True))
        size = self.axes[0].output_pixel(h), self.axes[1].output_pixel(w)
        features, guide, guide_features = self._tile_inputs([slice(0, h), slice(0, w)])
        peak = peak_bytes(self.upsampler, features, guide, size, guide_features)
        extra = self.extra_bytes_per_pixel
        if tile_counts != (1, 1):  # the previous tile lives until the next one is there
            extra += prod(self.features.shape[:2]) * self.features.itemsize
        return int(SAFETY_FACTOR * peak + min(2 * peak, MAX_ALLOCATOR_CACHE) + extra * prod(size))

    def _memory_error(self, tile_counts: tuple[int, int], memory_limit: int) -> str:
        (h, w), name = (axis.pixels for axis in self.axes), type(self.upsampler).__name__
        what = f"{name} at {h} x {w} pixels"
        if self.axes[0].halo is None:
            what += ", which cannot be computed in tiles"
        else:
            what += " in the smallest tiles"
        needed = _format_bytes(self._tile_bytes(tile_counts))
        return f"memory must leave {needed} for {what}, but leaves {_format_bytes(memory_limit)}"


class _GuideEncoder(nn.Module):
    """Calls an upsampler's `encode_guide` with the arguments of `forward`."""

    def __init__(self, upsampler: Upsampler, grid: tuple[int, int]):
        super().__init__()
        self.upsampler, self.grid = upsampler, grid

    def forward(self, features, guide, size):
        """Ignores the features."""
        return self.upsampler.encode_guide(guide, self.grid, size)


def _format_bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{max(size, 0) / 1e6:.2f} MB"


def _tile_halo(
    upsampler: nn.Module,
    grid: tuple[int, int],
    size: tuple[int, int],
    guide_size: tuple[int, int] | None,
) -> int | None:
    """The halo in cells. A guide that is enlarged also needs the pixel beyond it."""
    if not isinstance(upsampler, Upsampler):
        return None
    halo = upsampler.halo(grid, size, guide_size)
    return (
        halo if halo is None or guide_size is None else halo + cells_covering(1, grid, guide_size)
    )
