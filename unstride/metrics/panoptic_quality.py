"""Panoptic quality of a data set, with void and crowds handled as in COCO's own evaluation.

Kirillov, He, Girshick, Rother, Dollar, "Panoptic segmentation", CVPR 2019, arXiv:1801.00868,
sections 4.1 and 4.2. torchmetrics' PanopticQuality does not support crowds. COCO's evaluation keeps
one crowd per category and image, because its files have no more. Here all crowds count.
"""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics import Metric

from unstride.formats.segments import Segment, check_segments
from unstride.metrics.checks import check_same_size

COUNT_STATES = ("true_positives", "false_positives", "false_negatives")


class PanopticQuality(Metric):
    """PQ, SQ and RQ: means over the classes that occur, of all classes, of things and of stuff.

    PQ_c = sum of IoU over TP / (TP + FP / 2 + FN / 2) = SQ_c RQ_c, with counts over the whole data
    set. A predicted and a true segment match if they have the same class and IoU > 1/2. The union
    leaves out the prediction's pixels that are void in the truth. A crowd is never matched and
    never a false negative. A prediction without a match is ignored if more than half of it is void
    or a crowd of its class. All values are in [0, 1], or NaN if no class occurs.

    Args:
        things: category ids of the countable classes.
        stuff: category ids of the other classes.

    Raises:
        ValueError: if a class is in both.
    """

    full_state_update = False
    higher_is_better = True
    iou_sum: Tensor
    true_positives: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    def __init__(self, things: Collection[int], stuff: Collection[int]):
        super().__init__()
        if in_both := set(things) & set(stuff):
            raise ValueError(f"class {min(in_both)} must be a thing or stuff, got both")
        self.classes = (*things, *stuff)
        self.class_index = {category: i for i, category in enumerate(self.classes)}
        self.num_things = len(things)
        dtypes = {"iou_sum": torch.float64} | dict.fromkeys(COUNT_STATES, torch.int64)
        for state, dtype in dtypes.items():
            zeros = torch.zeros(len(self.classes), dtype=dtype)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(
        self,
        prediction: Int64[Tensor, "h w"],
        prediction_segments: Sequence[Segment],
        target: Int64[Tensor, "h w"],
        target_segments: Sequence[Segment],
    ) -> None:
        """Add an image.

        Args:
            prediction, target: segment id of each pixel, 0 for void.
            prediction_segments, target_segments: the segments of each map.

        Raises:
            ValueError: if the sizes differ, a segment's category is none of the classes, or the
                segments are not exactly those of the map.
        """
        check_same_size(prediction.shape, target.shape)
        check_segments(prediction, prediction_segments, "prediction")
        check_segments(target, target_segments, "target")
        predicted = self._class_indices(prediction_segments)
        true = self._class_indices(target_segments)
        is_crowd = torch.tensor([s.is_crowd for s in target_segments], dtype=torch.bool)
        overlap = overlap_matrix(prediction, prediction_segments, target, target_segments)

        same_class = predicted[:, None] == true
        shared, void = overlap[1:, 1:], overlap[1:, :1]
        union = overlap[1:].sum(1, keepdim=True) + overlap[:, 1:].sum(0) - shared - void
        match = same_class & ~is_crowd & (2 * shared > union)
        ignored = void[:, 0] + (shared * (same_class & is_crowd)).sum(1)  # pixels
        is_false_positive = ~match.any(1) & (2 * ignored <= overlap[1:].sum(1))
        is_false_negative = ~match.any(0) & ~is_crowd

        rows, columns = match.nonzero(as_tuple=True)
        iou = (shared[rows, columns].double() / union[rows, columns]).to(self.device)
        self.iou_sum.index_add_(0, predicted[rows].to(self.device), iou)
        counted = predicted[rows], predicted[is_false_positive], true[is_false_negative]
        for state, classes in zip(COUNT_STATES, counted, strict=True):
            getattr(self, state).add_(classes.bincount(minlength=len(self.classes)).to(self.device))

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """`pq`, `sq`, `rq`, and the same with `_things` and `_stuff`."""
        scores = self.per_class()
        parts = {
            "": slice(None),
            "_things": slice(self.num_things),
            "_stuff": slice(self.num_things, None),
        }
        return {
            name + part: values[region].nanmean()
            for name, values in scores.items()
            for part, region in parts.items()
        }

    def per_class(self) -> dict[str, Float[Tensor, " n"]]:
        """`pq`, `sq` and `rq` of each of `classes`; NaN for classes that do not occur."""
        errors = self.false_positives + self.false_negatives
        weight = self.true_positives + errors.double() / 2
        occurs = weight / weight  # 1, or NaN
        sq = self.iou_sum / self.true_positives.clamp(min=1) * occurs
        return {"pq": self.iou_sum / weight, "sq": sq, "rq": self.true_positives / weight}

    def _class_indices(self, segments: Sequence[Segment]) -> Int64[Tensor, " n"]:
        for segment in segments:
            if segment.category_id not in self.class_index:
                raise ValueError(f"segment {segment.id}: unknown category {segment.category_id}")
        return torch.tensor([self.class_index[s.category_id] for s in segments], dtype=torch.int64)


def overlap_matrix(
    prediction: Int64[Tensor, "h w"],
    prediction_segments: Sequence[Segment],
    target: Int64[Tensor, "h w"],
    target_segments: Sequence[Segment],
) -> Int64[Tensor, "m n"]:
    """Number of pixels that each predicted segment shares with each true one; index 0 is void."""
    m, n = len(prediction_segments) + 1, len(target_segments) + 1
    rows = _segment_indices(prediction.cpu(), prediction_segments)
    columns = _segment_indices(target.cpu(), target_segments)
    return (rows * n + columns).flatten().bincount(minlength=m * n).view(m, n)


def _segment_indices(
    ids: Int64[Tensor, "h w"], segments: Sequence[Segment]
) -> Int64[Tensor, "h w"]:
    """The position of each pixel's segment in `segments`, from 1; 0 for void."""
    sorted_ids, order = torch.tensor([0, *(s.id for s in segments)]).sort()
    return order[torch.searchsorted(sorted_ids, ids.contiguous())]
