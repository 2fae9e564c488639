"""An upsampler's result tile by tile: the same numbers, in as much memory as there is.

A tile is a rectangle of cells. It is computed together with a halo, the cells beyond it that its
output looks at (`Upsampler.halo`), and the halo's output is cut off. At the border of the map a
tile has no halo, so that the operator treats that border as its own.
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

SAFETY_FACTOR = 1.7  # what a tile takes, in what a dry run says: allocators keep what they like
MAX_ALLOCATOR_CACHE = (
    250_000_000  # bytes that an allocator may keep after tensors were freed, at most
)


class Tile(NamedTuple):
    """What one tile gives.

    Attributes:
        rows, columns: of the result; no other piece has them.
        window: rows and columns of the features below: the same, and the margin asked for.
        features: of the window.
    """

    rows: slice
    columns: slice
    window: tuple[slice, slice]
    features: Float[Tensor, "b c H W"]


class Tiles:
    """The pieces of an upsampler's result; to iterate computes them, without gradients.

    Of all ways to cut the map that fit the room, the one that computes the fewest cells twice.

    Args:
        upsampler: in evaluation mode. A module without `halo` is computed in one piece.
        features, guide, size: as it is called with.
        room: bytes that a piece may take, with all that is needed to compute it; None for one
            piece, whatever it takes.
        margin: output pixels that each piece has in common with its neighbours, on each side.
        beside: bytes that the caller needs for each pixel of a piece.

    Raises:
        ValueError: if not even the smallest tile fits the room.
    """

    def __init__(
        self,
        upsampler: Upsampler | nn.Module,
        features: Float[Tensor, "b c h w"],
        guide: Float[Tensor, "b d gh gw"] | None,
        size: tuple[int, int],
        *,
        room: int | None = None,
        margin: int = 0,
        beside: float = 0,
    ):
        if getattr(upsampler, "guide_channels", 0) is None:
            guide = None
        self.upsampler, self.features, self.guide = upsampler, features, guide
        self.margin, self.beside = margin, beside
        grid = features.shape[2], features.shape[3]
        seen = size if guide is None else (guide.shape[2], guide.shape[3])
        halo = _tile_halo(upsampler, grid, size, None if guide is None else seen)
        if halo is not None:
            halo += cells_covering(margin, grid, size)
        self.axes = [TileAxis(*lengths, halo) for lengths in zip(grid, size, seen, strict=True)]
        self.described: Tensor | None = None
        self.parts = (1, 1) if room is None else self._fitting(room)
        if len(self) > 1 and upsampler.training:
            raise ValueError("upsampler must be in evaluation mode to be computed in tiles")

    def __len__(self) -> int:
        return prod(self.parts)

    @torch.no_grad()
    def __iter__(self) -> Iterator[Tile]:
        for spans in product(*(a.cut(n) for a, n in zip(self.axes, self.parts, strict=True))):
            yield self._piece(spans)

    def _piece(self, spans: tuple[TileSpan, ...]) -> Tile:
        rows, columns, y, x = (*self._pixels(spans, 0), *self._pixels(spans, self.margin))
        computed = [
            (axis.pixel(s.first), axis.pixel(s.end))
            for axis, s in zip(self.axes, spans, strict=True)
        ]
        (top, bottom), (left, right) = computed
        seen = [slice(s.first, s.end) for s in spans]
        features, guide, described = self._given(seen)
        known = {} if described is None else {"described": described}
        fine = self.upsampler(features, guide, (bottom - top, right - left), **known)
        fine = fine[:, :, y.start - top : y.stop - top, x.start - left : x.stop - left]
        return Tile(rows, columns, (y, x), fine)

    def _pixels(self, spans: tuple[TileSpan, ...], margin: int) -> list[slice]:
        """Of the result, that the tile answers for, and so many more."""
        return [
            slice(
                max(axis.pixel(s.start) - margin, 0), min(axis.pixel(s.stop) + margin, axis.pixels)
            )
            for axis, s in zip(self.axes, spans, strict=True)
        ]

    def _given(self, cells: list[slice]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Features, guide and what is described, over a rectangle of cells."""
        rows, columns = cells
        features, guide, described = self.features[:, :, rows, columns], self.guide, self.described
        if guide is not None:
            y, x = (
                slice(axis.seen_pixel(s.start), axis.seen_pixel(s.stop))
                for axis, s in zip(self.axes, cells, strict=True)
            )
            guide = guide[:, :, y, x]
        if described is not None:
            y, x = (
                slice(s.start * n // axis.cells, s.stop * n // axis.cells)
                for axis, s, n in zip(self.axes, cells, described.shape[2:], strict=True)
            )
            described = described[:, :, y, x]
        return features, guide, described

    @torch.no_grad()
    def _describe(self, room: int) -> None:
        """What all tiles must know of the whole guide, if that fits the room."""
        if self.guide is None or not isinstance(self.upsampler, Upsampler):
            return
        rows, columns = self.axes
        size = rows.pixels, columns.pixels
        describing = _GuideEncoder(self.upsampler, (rows.cells, columns.cells))
        needed = int(SAFETY_FACTOR * peak_bytes(describing, self.features, self.guide, size))
        if needed > room:
            raise ValueError(
                f"memory must leave {_format_bytes(needed)} to look at the whole guide, "
                f"but leaves {_format_bytes(room)}"
            )
        self.described = describing(self.features, self.guide, size)

    def _fitting(self, room: int) -> tuple[int, int]:
        """Into how many tiles to cut rows and columns."""

        def over_axes(of: str, parts: tuple[int, int]) -> int:
            return prod(getattr(axis, of)(n) for axis, n in zip(self.axes, parts, strict=True))

        if self._bytes((1, 1)) <= room:
            return 1, 1
        self._describe(room)
        rows, columns = (axis.ways() for axis in self.axes)
        ways = sorted(product(rows, columns), key=lambda n: (over_axes("total", n), prod(n)))
        each = self._bytes((1, 1)) / over_axes("longest", (1, 1))
        for parts in ways:
            if each * over_axes("longest", parts) <= room and self._bytes(parts) <= room:
                return parts
        least = min(ways, key=lambda n: over_axes("longest", n))
        raise ValueError(self._refusal(least, room))

    def _bytes(self, parts: tuple[int, int]) -> int:
        """That the largest tile takes."""
        h, w = (axis.longest(n) for axis, n in zip(self.axes, parts, strict=True))
        size = self.axes[0].pixel(h), self.axes[1].pixel(w)
        features, guide, described = self._given([slice(0, h), slice(0, w)])
        peak = peak_bytes(self.upsampler, features, guide, size, described)
        kept = prod(self.features.shape[:2]) * self.features.itemsize if parts != (1, 1) else 0
        beside = (self.beside + kept) * prod(size)  # the last piece lives until the next is there
        return int(SAFETY_FACTOR * peak + min(2 * peak, MAX_ALLOCATOR_CACHE) + beside)

    def _refusal(self, parts: tuple[int, int], room: int) -> str:
        (h, w), name = (axis.pixels for axis in self.axes), type(self.upsampler).__name__
        what = f"{name} at {h} x {w} pixels"
        if self.axes[0].halo is None:
            what += ", which cannot be computed in tiles"
        else:
            what += " in the smallest tiles"
        needed, given = _format_bytes(self._bytes(parts)), _format_bytes(room)
        return f"memory must leave {needed} for {what}, but leaves {given}"


class _GuideEncoder(nn.Module):
    """An upsampler's description, called as an upsampler is."""

    def __init__(self, upsampler: Upsampler, grid: tuple[int, int]):
        super().__init__()
        self.upsampler, self.grid = upsampler, grid

    def forward(self, features, guide, size):
        """Nothing of the features."""
        return self.upsampler.describe(guide, self.grid, size)


def _format_bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{max(size, 0) / 1e6:.2f} MB"


def _tile_halo(
    upsampler: nn.Module, grid: tuple[int, int], size: tuple[int, int], seen: tuple[int, int] | None
) -> int | None:
    """In cells; where a guide is enlarged, its next pixel counts too."""
    if not isinstance(upsampler, Upsampler):
        return None
    halo = upsampler.halo(grid, size, seen)
    return halo if halo is None or seen is None else halo + cells_covering(1, grid, seen)
