"""Turns the outputs of panoptic networks into segments that do not overlap.

`merge_objects`: Kirillov et al., "Panoptic segmentation", CVPR 2019, arXiv:1801.00868, section 7.
`group_pixels`: Cheng et al., "Panoptic-DeepLab", CVPR 2020, arXiv:1911.10194, section 3.2.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import max_pool2d

from unstride.formats.labels import UNLABELLED
from unstride.formats.segments import Segment
from unstride.precision import upcast_half
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import (
    Fraction,
    NonNegativeInt,
    OddInt,
    PositiveInt,
)
from unstride.transforms.panoptic_targets import PanopticClasses

CHUNK_SIZE = 65536  # pixels whose distances to all centres are in memory at once

PanopticSegments = tuple[Int64[Tensor, "h w"], list[Segment]]


@checked
def merge_objects(
    masks: Bool[Tensor, "n h w"],
    labels: Int64[Tensor, " n"],
    scores: Float[Tensor, " n"],
    semantic: Int64[Tensor, "h w"],
    classes: PanopticClasses,
    *,
    min_score: Fraction = 0.5,
    max_overlap: Fraction = 0.5,
    min_area: NonNegativeInt = 4096,
) -> PanopticSegments:
    """Draw objects from the highest score to the lowest on free pixels, then stuff on the rest.

    Args:
        masks: masks of the objects.
        labels: labels of the objects, from 1.
        scores: scores of the objects.
        semantic: stuff from 1. 0 (things) and UNLABELLED become void.
        classes: category ids of the labels.
        min_score: objects with a lower score are dropped.
        max_overlap: objects of which a larger share is hidden by better ones are dropped.
        min_area: stuff of fewer pixels is dropped.

    Returns:
        Segment ids from 1, 0 for void, and the segments.
    """
    ids = torch.zeros_like(semantic)
    segments: list[Segment] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if scores[i] < min_score:
            break
        visible = masks[i] & (ids == 0)
        area, visible_area = int(masks[i].sum()), int(visible.sum())
        if visible_area == 0 or area - visible_area > max_overlap * area:
            continue
        segments.append(Segment(len(segments) + 1, classes.things[int(labels[i]) - 1]))
        ids[visible] = len(segments)
    stuff = dict(enumerate(classes.stuff, 1))
    return _add_stuff(ids, segments, semantic, stuff, min_area)


@checked
def find_centres(
    heatmap: Float[Tensor, "h w"],
    *,
    min_heat: Fraction = 0.1,
    window: OddInt = 7,
    most: PositiveInt = 200,
) -> Int64[Tensor, "n 2"]:
    """Rows and columns of the highest peaks, highest first; one of equal peaks in a window.

    Args:
        heatmap: values in [0, 1].
        min_heat: lower peaks are dropped.
        window: side in pixels of the square in which a peak must be the highest; odd.
        most: maximum number of peaks.
    """
    _, argmax = max_pool2d(heatmap[None, None], window, 1, window // 2, return_indices=True)
    is_peak = argmax.flatten() == torch.arange(heatmap.numel(), device=heatmap.device)
    peaks = (is_peak.view_as(heatmap) & (heatmap >= min_heat)).nonzero()
    order = heatmap[peaks[:, 0], peaks[:, 1]].argsort(descending=True, stable=True)
    return peaks[order[:most]]


@checked
def group_pixels(
    semantic: Int64[Tensor, "h w"],
    heatmap: Float[Tensor, "h w"],
    offsets: Float[Tensor, "2 h w"],
    classes: PanopticClasses,
    *,
    min_area: NonNegativeInt = 2048,
    min_heat: Fraction = 0.1,
    window: OddInt = 7,
    most: PositiveInt = 200,
) -> PanopticSegments:
    """Assign each pixel of a thing to the centre closest to where its offset points.

    An object has the class of most of its pixels. Without any centre there are no objects.

    Args:
        semantic: class indices from 0, things first. UNLABELLED becomes void.
        heatmap: object centres, in [0, 1].
        offsets: (x, y) in pixels, from the pixel to the centre of its object.
        classes: category ids of the class indices.
        min_area: stuff of fewer pixels is dropped.
        min_heat, window, most: see `find_centres`.

    Returns:
        Segment ids from 1, 0 for void, and the segments.
    """
    heatmap, offsets = upcast_half(heatmap), upcast_half(offsets)
    centres = find_centres(heatmap, min_heat=min_heat, window=window, most=most)
    ids, segments = _assign_to_centres(semantic, offsets, centres, classes.things)
    stuff = dict(enumerate(classes.stuff, len(classes.things)))
    return _add_stuff(ids, segments, semantic, stuff, min_area)


def _assign_to_centres(
    semantic: Int64[Tensor, "h w"],
    offsets: Float[Tensor, "2 h w"],
    centres: Int64[Tensor, "n 2"],
    things: tuple[int, ...],
) -> PanopticSegments:
    """The objects alone. A centre to which no pixel is assigned has no segment."""
    ids = torch.zeros_like(semantic)
    segments: list[Segment] = []
    rows, columns = (semantic < len(things)).nonzero(as_tuple=True)
    if not len(centres) or not len(rows):
        return ids, segments
    # points and centres both count from the centre of pixel (0, 0)
    pointed_to = offsets[:, rows, columns] + torch.stack([columns, rows])
    nearest = _nearest_centre(pointed_to.T, centres.flip(1).to(pointed_to.dtype))
    votes = torch.zeros(len(centres), len(things), dtype=torch.int64, device=ids.device)
    one = torch.ones_like(nearest)
    votes.index_put_((nearest, semantic[rows, columns]), one, accumulate=True)
    segment_ids = torch.zeros(len(centres), dtype=torch.int64, device=ids.device)
    for i, vote in enumerate(votes):
        if vote.any():
            segments.append(Segment(len(segments) + 1, things[int(vote.argmax())]))
            segment_ids[i] = len(segments)
    ids[rows, columns] = segment_ids[nearest]
    return ids, segments


def _add_stuff(
    ids: Int64[Tensor, "h w"],
    segments: list[Segment],
    semantic: Int64[Tensor, "h w"],
    stuff: dict[int, int],
    min_area: int,
) -> PanopticSegments:
    is_free = ids == 0
    for label in semantic.unique().tolist():
        region = (semantic == label) & is_free
        area = int(region.sum())
        if label == UNLABELLED or label not in stuff or area < max(min_area, 1):
            continue
        segments.append(Segment(len(segments) + 1, stuff[label]))
        ids[region] = len(segments)
    return ids, segments


def _nearest_centre(
    points: Float[Tensor, "n 2"], centres: Float[Tensor, "m 2"]
) -> Int64[Tensor, " n"]:
    exact = "donot_use_mm_for_euclid_dist"
    chunks = (torch.cdist(part, centres, compute_mode=exact) for part in points.split(CHUNK_SIZE))
    return torch.cat([distances.argmin(1) for distances in chunks])
