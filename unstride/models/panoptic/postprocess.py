"""From what networks say to segments that do not overlap.

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
from unstride.transforms.panoptic_targets import PanopticClasses

PanopticSegments = tuple[Int64[Tensor, "h w"], list[Segment]]
CHUNK_SIZE = 65536  # pixels whose distances to all centres are held


def merge_objects(
    masks: Bool[Tensor, "n h w"],
    labels: Int64[Tensor, " n"],
    scores: Float[Tensor, " n"],
    semantic: Int64[Tensor, "h w"],
    classes: PanopticClasses,
    *,
    min_score: float = 0.5,
    max_overlap: float = 0.5,
    min_area: int = 4096,
) -> PanopticSegments:
    """Objects by falling score, each where no better one is; then stuff where no object is.

    Args:
        masks: of the objects.
        labels: of the objects, from 1.
        scores: of the objects.
        semantic: stuff from 1; 0 (things) and UNLABELLED become void.
        classes: what the numbers stand for.
        min_score: objects below it are dropped.
        max_overlap: objects of which a larger share is hidden by better ones are dropped.
        min_area: stuff of fewer pixels is dropped.

    Returns:
        segment ids from 1, 0 for void, and the segments.
    """
    ids = torch.zeros_like(semantic)
    segments: list[Segment] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if scores[i] < min_score:
            break
        seen = masks[i] & (ids == 0)
        area, left = int(masks[i].sum()), int(seen.sum())
        if left == 0 or area - left > max_overlap * area:
            continue
        segments.append(Segment(len(segments) + 1, classes.things[int(labels[i]) - 1]))
        ids[seen] = len(segments)
    stuff = dict(enumerate(classes.stuff, 1))
    return _add_stuff(ids, segments, semantic, stuff, min_area)


def find_centres(
    heat: Float[Tensor, "h w"], *, min_heat: float = 0.1, window: int = 7, most: int = 200
) -> Int64[Tensor, "n 2"]:
    """Rows and columns of the highest peaks, the highest first; of equals in a window one.

    Args:
        heat: in [0, 1].
        min_heat: lower peaks are none.
        window: side in pixels of the square in which a peak is the highest; odd.
        most: so many at most.
    """
    _, places = max_pool2d(heat[None, None], window, 1, window // 2, return_indices=True)
    is_peak = places.flatten() == torch.arange(heat.numel(), device=heat.device)
    peaks = (is_peak.view_as(heat) & (heat >= min_heat)).nonzero()
    order = heat[peaks[:, 0], peaks[:, 1]].argsort(descending=True, stable=True)
    return peaks[order[:most]]


def group_pixels(
    semantic: Int64[Tensor, "h w"],
    heat: Float[Tensor, "h w"],
    offsets: Float[Tensor, "2 h w"],
    classes: PanopticClasses,
    *,
    min_area: int = 2048,
    **peaks: float,
) -> PanopticSegments:
    """Each pixel of a thing goes to the centre that its offset leads closest to.

    An object has the class that most of its pixels have. Without any centre there are no objects.

    Args:
        semantic: classes from 0, things first; UNLABELLED becomes void.
        heat: of the centres, in [0, 1].
        offsets: from the pixel to the centre of its object, (x, y) in pixels.
        classes: what the numbers stand for.
        min_area: stuff of fewer pixels is dropped.
        peaks: options of `find_centres`.

    Returns:
        segment ids from 1, 0 for void, and the segments.
    """
    heat, offsets = upcast_half(heat), upcast_half(offsets)
    ids = torch.zeros_like(semantic)
    segments: list[Segment] = []
    centres = find_centres(heat, **peaks)  # type: ignore[arg-type]
    things = len(classes.things)
    rows, columns = (semantic < things).nonzero(as_tuple=True)
    if len(centres) and len(rows):
        led = offsets[:, rows, columns] + torch.stack([columns, rows])  # both of pixel centres
        nearest = _nearest_centre(led.T, centres.flip(1).to(led.dtype))
        votes = torch.zeros(len(centres), things, dtype=torch.int64, device=ids.device)
        one = torch.ones_like(nearest)
        votes.index_put_((nearest, semantic[rows, columns]), one, accumulate=True)
        number = torch.zeros(len(centres), dtype=torch.int64, device=ids.device)
        for place, vote in enumerate(votes):
            if vote.any():
                segments.append(Segment(len(segments) + 1, classes.things[int(vote.argmax())]))
                number[place] = len(segments)
        ids[rows, columns] = number[nearest]
    stuff = dict(enumerate(classes.stuff, things))
    return _add_stuff(ids, segments, semantic, stuff, min_area)


def _add_stuff(
    ids: Int64[Tensor, "h w"],
    segments: list[Segment],
    semantic: Int64[Tensor, "h w"],
    stuff: dict[int, int],
    min_area: int,
) -> PanopticSegments:
    free = ids == 0
    for number in semantic.unique().tolist():
        region = (semantic == number) & free
        area = int(region.sum())
        if number == UNLABELLED or number not in stuff or area < max(min_area, 1):
            continue
        segments.append(Segment(len(segments) + 1, stuff[number]))
        ids[region] = len(segments)
    return ids, segments


def _nearest_centre(
    points: Float[Tensor, "n 2"], centres: Float[Tensor, "m 2"]
) -> Int64[Tensor, " n"]:
    exact = "donot_use_mm_for_euclid_dist"
    parts = (torch.cdist(part, centres, compute_mode=exact) for part in points.split(CHUNK_SIZE))
    return torch.cat([distance.argmin(1) for distance in parts])
