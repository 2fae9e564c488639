"""Splits one axis into tiles whose borders fall on both whole cells and whole pixels.

Three grids cover the same length: the cells of the features, the pixels of the result and the
pixels of the guide. Windows, averages and borders give the same values on a tile as on the whole
map if a tile starts and stops at a border of all three grids. That is the case at multiples of
`alignment` cells. The alignment is 1 if a cell is a whole number of pixels of both other grids.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import gcd, lcm
from typing import NamedTuple


class TileSpan(NamedTuple):
    """The cells of one tile along one axis.

    Attributes:
        start, stop: cells whose output is kept.
        halo_start, halo_stop: cells that are read: the same, and the halo on both sides.
    """

    start: int
    stop: int
    halo_start: int
    halo_stop: int


@dataclass(frozen=True)
class TileAxis:
    """One axis of a map.

    Attributes:
        cells: number of cells of the features.
        pixels: number of pixels of the result.
        guide_pixels: number of pixels of the guide.
        halo: cells that a tile reads beyond itself, on each side; None if it must read all.
    """

    cells: int
    pixels: int
    guide_pixels: int
    halo: int | None

    @property
    def alignment(self) -> int:
        """Tiles start at multiples of this number of cells."""
        return lcm(*(self.cells // gcd(self.cells, n) for n in (self.pixels, self.guide_pixels)))

    def useful_tile_counts(self) -> list[int]:
        """Numbers of tiles worth trying.

        A number is left out if fewer tiles have a largest tile of the same size.
        """
        if self.halo is None:
            return [1]
        units = self.cells // self.alignment
        return sorted({-(-units // -(-units // n)) for n in range(1, units + 1)})

    def spans(self, n_tiles: int) -> list[TileSpan]:
        """The spans of all tiles, of sizes as equal as the alignment allows."""
        alignment, units = self.alignment, self.cells // self.alignment
        halo = self.cells if self.halo is None else -(-self.halo // alignment) * alignment
        borders = [i * units // n_tiles * alignment for i in range(n_tiles + 1)]
        return [
            TileSpan(start, stop, max(start - halo, 0), min(stop + halo, self.cells))
            for start, stop in pairwise(borders)
        ]

    def max_cells(self, n_tiles: int) -> int:
        """Number of cells that the largest tile reads."""
        return max(span.halo_stop - span.halo_start for span in self.spans(n_tiles))

    def total_cells(self, n_tiles: int) -> int:
        """Number of cells that all tiles read, summed over the tiles."""
        return sum(span.halo_stop - span.halo_start for span in self.spans(n_tiles))

    def output_pixel(self, cell: int) -> int:
        """The pixel of the result at which a cell starts."""
        return cell * self.pixels // self.cells

    def guide_pixel(self, cell: int) -> int:
        """The pixel of the guide at which a cell starts."""
        return cell * self.guide_pixels // self.cells
