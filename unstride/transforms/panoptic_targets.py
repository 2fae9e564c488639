"""From a map of segments to what panoptic networks learn: objects, classes, centres.

Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, arXiv:1901.02446, section 3.1;
Cheng et al., "Panoptic-DeepLab", CVPR 2020, arXiv:1911.10194, section 3.2.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchvision import tv_tensors

from unstride.formats.labels import UNLABELLED
from unstride.formats.segments import (
    Category,
    Segment,
)
from unstride.transforms.detection_target import (
    Target,
    detection_target,
)

CENTRE_SIGMA = 8.0  # standard deviation of a centre's bump, in pixels


class PanopticClasses(NamedTuple):
    """The category ids of things and of stuff, each in a fixed order.

    A thing's label is its place in `things` from 1; in a map of all classes things come first,
    from 0, and then stuff.
    """

    things: tuple[int, ...]
    stuff: tuple[int, ...]

    @classmethod
    def of(cls, categories: Iterable[Category]) -> "PanopticClasses":
        """Those of a data set, in its order."""
        categories = list(categories)
        things = tuple(c.id for c in categories if c.is_thing)
        return cls(things, tuple(c.id for c in categories if not c.is_thing))


class CentreTargets(NamedTuple):
    """What the instance branch of Panoptic-DeepLab learns, at the size of the map.

    `heat` is 1 at the centre of each object. `offsets` lead from a pixel to the centre of its
    object, (x, y) in pixels. `is_known` is false where there is void or a crowd, `is_object` true
    on the objects.
    """

    heat: Float[Tensor, "h w"]
    offsets: Float[Tensor, "2 h w"]
    is_known: Bool[Tensor, "h w"]
    is_object: Bool[Tensor, "h w"]


def panoptic_fpn_target(target: Target, classes: PanopticClasses) -> Target:
    """The target of Panoptic FPN: its things as objects, and `semantic`, the classes of stuff.

    In `semantic` (Mask "1 h w", int64) things are 0, stuff counts from 1 and void is UNLABELLED.
    """
    ids = torch.as_tensor(target["ids"])[0]
    things = [s for s in visible_segments(target) if s.category in classes.things]
    numbers = torch.tensor([s.id for s in things], dtype=torch.int64)
    objects = detection_target(
        ids == numbers[:, None, None],
        [classes.things.index(s.category) + 1 for s in things],
        crowds=[s.is_crowd for s in things],
        image_id=target["image_id"],
    )
    places = dict.fromkeys(classes.things, 0) | {c: n for n, c in enumerate(classes.stuff, 1)}
    return {
        **objects,
        "semantic": tv_tensors.Mask(_label_map(ids, visible_segments(target), places)[None]),
    }


def panoptic_deeplab_target(target: Target, classes: PanopticClasses) -> Target:
    """The target of Panoptic-DeepLab: `semantic`, see `semantic_map`, and `centres`."""
    ids, segments = torch.as_tensor(target["ids"])[0], visible_segments(target)
    return {
        "semantic": semantic_map(ids, segments, classes),
        "centres": centre_targets(ids, segments, classes),
    }


def semantic_map(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment], classes: PanopticClasses
) -> Int64[Tensor, "h w"]:
    """The class of each pixel, things first, from 0; UNLABELLED for void."""
    return _label_map(
        ids, segments, {c: n for n, c in enumerate((*classes.things, *classes.stuff))}
    )


def centre_targets(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment], classes: PanopticClasses
) -> CentreTargets:
    """Centres of mass of the things that are no crowd, and the way to them."""
    height, width = ids.shape
    columns, rows = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    heat, offsets = torch.zeros(height, width), torch.zeros(2, height, width)
    is_object, is_known = torch.zeros_like(ids, dtype=torch.bool), ids != 0
    for segment in segments:
        mask = ids == segment.id
        if segment.category not in classes.things or not mask.any():
            continue
        if segment.is_crowd:
            is_known &= ~mask
            continue
        y, x = (axis.float().mean() + 0.5 for axis in mask.nonzero(as_tuple=True))
        offsets[0] = torch.where(mask, x - columns, offsets[0])
        offsets[1] = torch.where(mask, y - rows[:, None], offsets[1])
        top, left = y.floor() + 0.5, x.floor() + 0.5  # the bump is 1 on a pixel
        squares = (columns - left).square() + (rows - top).square()[:, None]
        heat = heat.maximum((-squares / (2 * CENTRE_SIGMA**2)).exp())
        is_object |= mask
    return CentreTargets(heat, offsets, is_known, is_object)


def _label_map(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment], places: dict[int, int]
) -> Int64[Tensor, "h w"]:
    painted = torch.full_like(ids, UNLABELLED)
    for segment in segments:
        painted[ids == segment.id] = places.get(segment.category, UNLABELLED)
    return painted


def visible_segments(target: Target) -> list[Segment]:
    """The segments that still have a pixel."""
    left = set(torch.as_tensor(target["ids"]).unique().tolist())
    return [s for s in target["segments"] if s.id in left]
