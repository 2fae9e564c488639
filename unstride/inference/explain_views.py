"""`unstride explain-views`: the two views of an image in pretraining, and their matched cells."""

import sys
from pathlib import Path

from unstride.formats.images import load_image
from unstride.losses.pixel_matching import cells_of_maps, matched_cells
from unstride.random_numbers import seeded
from unstride.transforms.two_views import TwoViews, ViewOptions
from unstride.viz.matched_views import matched_views
from unstride.viz.pillow import save_png


def explain_views_file(
    image: str,
    *,
    side: int,
    grid: int,
    min_scale: float,
    rotation: float,
    elastic: float,
    threshold: float,
    seed: int,
    out: Path,
) -> int:
    """Draw the views of an image file; returns the exit code. Arguments as in `explain_views`."""
    if out.suffix.lower() != ".png":
        print(f"unstride explain-views: out must end in .png, got {out}", file=sys.stderr)
        return 2
    if side < 1 or grid < 1 or grid > side or not 0 < min_scale <= 1:
        print(
            "unstride explain-views: side and grid must be at least 1, grid at most the side, and "
            f"min_scale above 0 and at most 1, got {side}, {grid} and {min_scale}",
            file=sys.stderr,
        )
        return 2
    try:
        photo = load_image(image)[0]
    except (ValueError, OSError) as error:
        print(f"unstride explain-views: {error}", file=sys.stderr)
        return 1
    options = ViewOptions((side, side), (min_scale, 1.0), rotation=rotation, elastic=elastic)
    with seeded(seed):
        sample = TwoViews(options)(photo)
    sizes = sample["image_size"][None]
    first, second = (
        cells_of_maps(maps[None], sizes, (grid, grid)) for maps in sample["coordinates"]
    )
    is_match = matched_cells(first, second, threshold)[0]
    out.parent.mkdir(parents=True, exist_ok=True)
    save_png(matched_views(sample["images"], is_match, (grid, grid)), out)
    print(f"{out}: {int(is_match.sum())} matches of {grid * grid} cells in each view")
    return 0
