"""How one axis of a map is cut into tiles: where whole cells end on whole pixels.

Three grids cover the same length: the cells of the features, the pixels of the result, and the
pixels of the guide. Windows, averages and borders fall alike on a tile and on the whole map if
all three have a border where a tile begins and ends; that is so at each multiple of `step` cells,
1 where a cell is a whole number of pixels of both.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import gcd, lcm
from typing import NamedTuple


class TileSpan(NamedTuple):
    """Of one tile along one axis, in cells: what it answers for, and what it must see."""

    start: int
    stop: int
    first: int
    end: int


@dataclass(frozen=True)
class TileAxis:
    """One axis of a map.

    Attributes:
        cells: of the features.
        pixels: of the result.
        seen: pixels of the guide.
        halo: cells that a tile must see beyond itself; None if it must see all.
    """

    cells: int
    pixels: int
    seen: int
    halo: int | None

    @property
    def step(self) -> int:
        """Where tiles may begin: at multiples of so many cells."""
        return lcm(*(self.cells // gcd(self.cells, n) for n in (self.pixels, self.seen)))

    def ways(self) -> list[int]:
        """Numbers of tiles of which none could have more cells without there being fewer."""
        if self.halo is None:
            return [1]
        units = self.cells // self.step
        return sorted({-(-units // -(-units // n)) for n in range(1, units + 1)})

    def cut(self, parts: int) -> list[TileSpan]:
        """The tiles, as alike as steps allow."""
        step, units = self.step, self.cells // self.step
        margin = self.cells if self.halo is None else -(-self.halo // step) * step
        ends = [i * units // parts * step for i in range(parts + 1)]
        return [
            TileSpan(a, b, max(a - margin, 0), min(b + margin, self.cells))
            for a, b in pairwise(ends)
        ]

    def longest(self, parts: int) -> int:
        """Cells that the largest tile sees."""
        return max(span.end - span.first for span in self.cut(parts))

    def total(self, parts: int) -> int:
        """Cells that all tiles see."""
        return sum(span.end - span.first for span in self.cut(parts))

    def pixel(self, cell: int) -> int:
        """The result's pixel at which a cell begins."""
        return cell * self.pixels // self.cells

    def seen_pixel(self, cell: int) -> int:
        """The guide's pixel at which a cell begins."""
        return cell * self.seen // self.cells
