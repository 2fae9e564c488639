"""Progress bars of jobs over images."""

import math
from collections.abc import Iterator

from rich.markup import escape
from rich.progress import Progress, TaskID

from unstride.features.implicit import FitCallback
from unstride.tiling.padded_tiles import PaddedTiles
from unstride.tiling.tiles import Tile


def fit_progress_bar(progress: Progress) -> FitCallback:
    """A callback for `fit_implicit` that shows a bar: views, then steps with the error."""
    bars: dict[str, TaskID] = {}

    def update(image: int, stage: str, done: int, total: int, error: float) -> None:
        if done == 1 or stage not in bars:
            for bar in bars.values():
                progress.remove_task(bar)
            bars.clear()
            bars[stage] = progress.add_task(stage, total=total)
        error_text = "" if math.isnan(error) else f", {error:.2f} of bilinear's error"
        progress.update(bars[stage], completed=done, description=stage + error_text)

    return update


def with_progress_bar(tiles: PaddedTiles, description: str, progress: Progress) -> Iterator[Tile]:
    """Yield tiles and show a bar if there are several."""
    if len(tiles) == 1:
        yield from tiles
        return
    bar = progress.add_task(escape(description), total=len(tiles))
    try:
        for tile in tiles:
            yield tile
            progress.advance(bar)
    finally:
        progress.remove_task(bar)
