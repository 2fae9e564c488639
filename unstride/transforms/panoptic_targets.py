"""Converts a map of segments to the targets of panoptic networks: objects, classes, centres.

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
from unstride.formats.segments import Category, Segment
from unstride.transforms.detection_target import Target, detection_target

CENTRE_SIGMA = 8.0  # standard deviation of the bump at a centre, in pixels


class PanopticClasses(NamedTuple):
    """The category ids of things and of stuff, each in a fixed order.

    The label of a thing is its index in `things` plus 1. A map of all classes numbers things
    first, from 0, and then stuff.
    """

    things: tuple[int, ...]
    stuff: tuple[int, ...]

    @classmethod
    def from_categories(cls, categories: Iterable[Category]) -> "PanopticClasses":
        """Create the classes of a data set, in its order."""
        categories = list(categories)
        things = tuple(c.id for c in categories if c.is_thing)
        return cls(things, tuple(c.id for c in categories if not c.is_thing))


class CentreTargets(NamedTuple):
    """Targets of the instance branch of Panoptic-DeepLab, at the size of the map.

    `heatmap` is 1 at the centre of each object. `offsets` lead from a pixel to the centre of its
    object, (x, y) in pixels. `is_known` is false on void and crowds, `is_object` is true on
    objects.
    """

    heatmap: Float[Tensor, "h w"]
    offsets: Float[Tensor, "2 h w"]
    is_known: Bool[Tensor, "h w"]
    is_object: Bool[Tensor, "h w"]


def panoptic_fpn_target(target: Target, classes: PanopticClasses) -> Target:
    """Build the target of Panoptic FPN: things as objects, and a `semantic` map of stuff.

    In `semantic` (Mask "1 h w", int64) things are 0, stuff counts from 1 and void is UNLABELLED.
    """
    id_map, segments = torch.as_tensor(target["ids"])[0], visible_segments(target)
    things = [s for s in segments if s.category_id in classes.things]
    thing_ids = torch.tensor([s.id for s in things], dtype=torch.int64)
    objects = detection_target(
        id_map == thing_ids[:, None, None],
        [classes.things.index(s.category_id) + 1 for s in things],
        is_crowd=[s.is_crowd for s in things],
        image_id=target["image_id"],
    )
    label_of_category = dict.fromkeys(classes.things, 0)
    label_of_category |= {c: n for n, c in enumerate(classes.stuff, 1)}
    semantic = _label_map(id_map, segments, label_of_category)
    return {**objects, "semantic": tv_tensors.Mask(semantic[None])}


def panoptic_deeplab_target(target: Target, classes: PanopticClasses) -> Target:
    """Build the target of Panoptic-DeepLab: `semantic`, see `semantic_map`, and `centres`."""
    id_map, segments = torch.as_tensor(target["ids"])[0], visible_segments(target)
    return {
        "semantic": semantic_map(id_map, segments, classes),
        "centres": centre_targets(id_map, segments, classes),
    }


def semantic_map(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment], classes: PanopticClasses
) -> Int64[Tensor, "h w"]:
    """Return the class of each pixel, things first, from 0; UNLABELLED for void."""
    label_of_category = {c: n for n, c in enumerate((*classes.things, *classes.stuff))}
    return _label_map(ids, segments, label_of_category)


def centre_targets(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment], classes: PanopticClasses
) -> CentreTargets:
    """Compute the centres of mass of things that are not crowds, and the offsets to them."""
    height, width = ids.shape
    columns, rows = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    heatmap, offsets = torch.zeros(height, width), torch.zeros(2, height, width)
    is_object, is_known = torch.zeros_like(ids, dtype=torch.bool), ids != 0
    for segment in segments:
        mask = ids == segment.id
        if segment.category_id not in classes.things or not mask.any():
            continue
        if segment.is_crowd:
            is_known &= ~mask
            continue
        y, x = (axis.float().mean() + 0.5 for axis in mask.nonzero(as_tuple=True))
        offsets[0] = torch.where(mask, x - columns, offsets[0])
        offsets[1] = torch.where(mask, y - rows[:, None], offsets[1])
        top, left = y.floor() + 0.5, x.floor() + 0.5  # so that the bump is 1 on a pixel
        squares = (columns - left).square() + (rows - top).square()[:, None]
        heatmap = heatmap.maximum((-squares / (2 * CENTRE_SIGMA**2)).exp())
        is_object |= mask
    return CentreTargets(heatmap, offsets, is_known, is_object)


def visible_segments(target: Target) -> list[Segment]:
    """Return the segments that still have a pixel."""
    remaining_ids = set(torch.as_tensor(target["ids"]).unique().tolist())
    return [s for s in target["segments"] if s.id in remaining_ids]


def _label_map(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment], label_of_category: dict[int, int]
) -> Int64[Tensor, "h w"]:
    labels = torch.full_like(ids, UNLABELLED)
    for segment in segments:
        labels[ids == segment.id] = label_of_category.get(segment.category_id, UNLABELLED)
    return labels
