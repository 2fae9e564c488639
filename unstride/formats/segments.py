"""TODO."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Int64
from torch import Tensor


class Segment(NamedTuple):
    """One segment of an image: its id in the map, its category, and whether it is a crowd."""

    id: int
    category: int
    is_crowd: bool = False


class Category(NamedTuple):
    """What a category's number stands for; things are countable, stuff is not."""

    id: int
    name: str
    is_thing: bool


def check_segments(ids: Int64[Tensor, "h w"], segments: Sequence[Segment], name: str) -> None:
    """Refuses segments that are not exactly those of the map.

    Args:
        ids: of the map's pixels; 0 is void and no segment.
        segments: each id once.
        name: of the map, for the error.

    Raises:
        ValueError: if an id is named twice, has no pixel, or is not named.
    """
    named = [s.id for s in segments]
    if len(set(named)) != len(named):
        raise ValueError(f"{name}: a segment is named twice")
    drawn = set(ids.unique().tolist()) - {0}
    if missing := sorted(drawn - set(named)):
        raise ValueError(f"{name}: pixels of segment {missing[0]}, which is not named")
    if empty := sorted(set(named) - drawn):
        raise ValueError(f"{name}: segment {empty[0]} has no pixel")


def segments_info(ids: Int64[Tensor, "h w"], segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """What the JSON says of each segment: category, area in pixels, and box (XYWH in pixels)."""
    return [_segment_info(ids, segment) for segment in segments]


def _segment_info(ids: Int64[Tensor, "h w"], segment: Segment) -> dict[str, Any]:
    rows, columns = (ids == segment.id).nonzero(as_tuple=True)
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
    return {
        "id": segment.id,
        "category_id": segment.category,
        "iscrowd": int(segment.is_crowd),
        "area": len(rows),
        "bbox": box,
    }
