"""Panoptic quality over a set, with void and crowds as in COCO's own evaluation.

Kirillov, He, Girshick, Rother, Dollar, "Panoptic segmentation", CVPR 2019, arXiv:1801.00868,
sections 4.1 and 4.2. torchmetrics' PanopticQuality knows no crowds. COCO's evaluation remembers
one crowd of each category in an image, since its files have no more; here all of them count.
"""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics import Metric

from unstride.formats.segments import (
    Segment,
    check_segments,
)


class PanopticQuality(Metric):
    """PQ, SQ and RQ: a mean over the classes that occur, of all, of things and of stuff.

    PQ_c = sum of IoU over TP / (TP + FP / 2 + FN / 2) = SQ_c RQ_c, with counts over the whole set.
    A predicted and a true segment match if they are of one class and IoU > 1/2, where the union
    leaves out the prediction's pixels that are void in the truth. A crowd is never matched nor
    missed. A prediction without a match is forgiven if more than half of it is void or a crowd of
    its class. All values are in [0, 1]; NaN if no class occurs.

    Args:
        things: numbers of the countable classes.
        stuff: numbers of the others.

    Raises:
        ValueError: if a class is both.
    """

    full_state_update = False
    higher_is_better = True
    iou: Tensor
    matched: Tensor
    false: Tensor
    missed: Tensor

    def __init__(self, things: Collection[int], stuff: Collection[int]):
        super().__init__()
        if both := set(things) & set(stuff):
            raise ValueError(f"class {min(both)}: both a thing and stuff")
        self.classes = (*things, *stuff)
        self.places = {number: i for i, number in enumerate(self.classes)}
        self.things = len(things)
        for state, dtype in (("iou", torch.float64), *((s, torch.int64) for s in COUNT_STATES)):
            zeros = torch.zeros(len(self.classes), dtype=dtype)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(
        self,
        prediction: Int64[Tensor, "h w"],
        prediction_segments: Sequence[Segment],
        target: Int64[Tensor, "h w"],
        target_segments: Sequence[Segment],
    ) -> None:
        """Adds an image: segment ids of its pixels, 0 for void, and what the segments are.

        Raises:
            ValueError: if the sizes differ, a segment is of no class, or the segments are not
                exactly those of the map.
        """
        if prediction.shape != target.shape:
            sizes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            raise ValueError(f"prediction and target: {sizes}, one size is needed")
        check_segments(prediction, prediction_segments, "prediction")
        check_segments(target, target_segments, "target")
        found, true = self._places(prediction_segments), self._places(target_segments)
        crowd = torch.tensor([s.is_crowd for s in target_segments], dtype=torch.bool)
        overlap = overlap_matrix(prediction, prediction_segments, target, target_segments)

        same = found[:, None] == true
        shared, void = overlap[1:, 1:], overlap[1:, :1]
        union = overlap[1:].sum(1, keepdim=True) + overlap[:, 1:].sum(0) - shared - void
        match = same & ~crowd & (2 * shared > union)
        forgiven = void[:, 0] + (shared * (same & crowd)).sum(1)
        false = ~match.any(1) & (2 * forgiven <= overlap[1:].sum(1))
        missed = ~match.any(0) & ~crowd

        rows, columns = match.nonzero(as_tuple=True)
        iou = shared[rows, columns].double() / union[rows, columns]
        self.iou.index_add_(0, found[rows].to(self.iou.device), iou.to(self.iou.device))
        for state, classes in zip(
            COUNT_STATES, (found[rows], found[false], true[missed]), strict=True
        ):
            getattr(self, state).add_(classes.bincount(minlength=len(self.classes)).to(self.device))

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """`pq`, `sq`, `rq`, and the same with `_things` and `_stuff`."""
        scores = self.per_class()
        parts = {
            "": slice(None),
            "_things": slice(self.things),
            "_stuff": slice(self.things, None),
        }
        return {
            name + part: values[where].nanmean()
            for name, values in scores.items()
            for part, where in parts.items()
        }

    def per_class(self) -> dict[str, Float[Tensor, " n"]]:
        """`pq`, `sq` and `rq` of each of `classes`, NaN for those that do not occur."""
        weight = self.matched + (self.false + self.missed).double() / 2
        occurs = weight / weight  # 1, or NaN
        sq = self.iou / self.matched.clamp(min=1) * occurs
        return {"pq": self.iou / weight, "sq": sq, "rq": self.matched / weight}

    def _places(self, segments: Sequence[Segment]) -> Int64[Tensor, " n"]:
        for segment in segments:
            if segment.category not in self.places:
                raise ValueError(f"segment {segment.id}: {segment.category} is none of the classes")
        return torch.tensor([self.places[s.category] for s in segments], dtype=torch.int64)


COUNT_STATES = ("matched", "false", "missed")


def overlap_matrix(
    prediction: Int64[Tensor, "h w"],
    prediction_segments: Sequence[Segment],
    target: Int64[Tensor, "h w"],
    target_segments: Sequence[Segment],
) -> Int64[Tensor, "m n"]:
    """How many pixels each predicted segment shares with each true one; row and column 0: void."""
    m, n = len(prediction_segments) + 1, len(target_segments) + 1
    rows = _segment_indices(prediction.cpu(), prediction_segments)
    columns = _segment_indices(target.cpu(), target_segments)
    return (rows * n + columns).flatten().bincount(minlength=m * n).view(m, n)


def _segment_indices(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment]
) -> Int64[Tensor, "h w"]:
    numbers, order = torch.tensor([0, *(s.id for s in segments)]).sort()
    return order[torch.searchsorted(numbers, ids.contiguous())]
