"""Segments of a panoptic segmentation: their categories, and whether they fit a map of ids."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Int64
from torch import Tensor


class Segment(NamedTuple):
    """One segment of an image: its id in the map, its category, and whether it is a crowd."""

    id: int
    category_id: int
    is_crowd: bool = False


class Category(NamedTuple):
    """A category id with its name and kind: things are countable, stuff is not."""

    id: int
    name: str
    is_thing: bool


def check_segments(ids: Int64[Tensor, "h w"], segments: Sequence[Segment], name: str) -> None:
    """Check that the segments are exactly those of the map.

    Args:
        ids: segment id of each pixel; 0 is void and not a segment.
        segments: the segments, each id once.
        name: name of the map, for error messages.

    Raises:
        ValueError: if an id is listed twice, has no pixel, or is not listed.
    """
    listed = [s.id for s in segments]
    if len(set(listed)) != len(listed):
        raise ValueError(f"{name}: a segment is listed twice")
    in_map = set(ids.unique().tolist()) - {0}
    if missing := sorted(in_map - set(listed)):
        raise ValueError(f"{name}: segment {missing[0]} has pixels but is not listed")
    if empty := sorted(set(listed) - in_map):
        raise ValueError(f"{name}: segment {empty[0]} is listed but has no pixels")


def segments_info(ids: Int64[Tensor, "h w"], segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Build the JSON record of each segment: category, area in pixels, box (XYWH in pixels)."""
    return [_segment_info(ids, segment) for segment in segments]


def _segment_info(ids: Int64[Tensor, "h w"], segment: Segment) -> dict[str, Any]:
    rows, columns = (ids == segment.id).nonzero(as_tuple=True)
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
    return {
        "id": segment.id,
        "category_id": segment.category_id,
        "iscrowd": int(segment.is_crowd),
        "area": len(rows),
        "bbox": box,
    }
