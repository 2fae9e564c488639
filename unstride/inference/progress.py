"""Progress bars of jobs over images."""

import math
from collections.abc import Iterator

from rich.progress import Progress, TaskID

from unstride.features.implicit import FitCallback
from unstride.tiling.padded_tiles import PaddedTiles
from unstride.tiling.tiles import Tile


def fit_progress_bar(progress: Progress) -> FitCallback:
    """Shows a fit below the progress of the images: views, then steps and the error."""
    bars: dict[str, TaskID] = {}

    def watch(image: int, what: str, done: int, of: int, error: float) -> None:
        if done == 1 or what not in bars:
            for old in bars.values():
                progress.remove_task(old)
            bars.clear()
            bars[what] = progress.add_task(what, total=of)
        gained = "" if math.isnan(error) else f", {error:.2f} of bilinear's error"
        progress.update(bars[what], completed=done, description=what + gained)

    return watch


def with_progress_bar(pieces: PaddedTiles, name: str, progress: Progress) -> Iterator[Tile]:
    """The pieces, with a bar of their own if there are several."""
    if len(pieces) == 1:
        yield from pieces
        return
    task = progress.add_task(name, total=len(pieces))
    try:
        for piece in pieces:
            yield piece
            progress.advance(task)
    finally:
        progress.remove_task(task)
