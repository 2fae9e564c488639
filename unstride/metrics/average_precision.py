"""Average precision of boxes and masks, as COCO counts it; torchmetrics' by faster-coco-eval."""

from itertools import zip_longest
from typing import Any, Literal

import numpy as np
from torch import Tensor, distributed
from torch.utils._pytree import tree_map_only
from torchmetrics.detection import MeanAveragePrecision


class AveragePrecision(MeanAveragePrecision):
    """torchmetrics', but NaN of nothing, where that says -1; and of unequal shares.

    Each process may have measured a number of photographs of its own.
    """

    def compute(self) -> dict[str, Tensor]:
        """See `average_precision`."""
        found = super().compute()
        return {
            name: value.masked_fill(value < 0, float("nan")) if value.is_floating_point() else value
            for name, value in found.items()
        }

    def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
        """Every process's photographs, one of each in turn."""
        states = {name: getattr(self, name) for name in self._reductions}
        mine = tree_map_only(Tensor, Tensor.cpu, states)
        every: list[Any] = [None] * distributed.get_world_size(process_group)
        distributed.all_gather_object(every, mine, process_group)
        for name in states:
            turns = zip_longest(*(each[name] for each in every))
            setattr(self, name, [item for turn in turns for item in turn if item is not None])


def average_precision(of: Literal["boxes", "masks"] = "boxes") -> AveragePrecision:
    """AP over IoU 0.50 to 0.95 as `map`, at one IoU as `map_50`, `map_75`: means over the classes.

    Update it with lists of what detectors return and of targets of `InstanceDataset`: `boxes` XYXY,
    `labels`, `scores` and, for masks, bool or uint8 `masks` "n h w". The best 100 detections of an
    image count, and one in a crowd of its class counts neither way. Sizes (`map_small` and so on)
    go by the area of the box, or of the mask. COCO's own evaluation takes the truth's area from its
    file, and a detection's from its box where the results have one; a box inside out then counts
    neither way. Else both agree; torchmetrics' usual thresholds are rounded to float32, so that a
    recall of 4/5 does not reach 0.8, which costs up to 0.01 of a class.

    Args:
        of: what is compared.
    """
    kind: Literal["bbox", "segm"] = "bbox" if of == "boxes" else "segm"
    return AveragePrecision(
        iou_type=kind, backend="faster_coco_eval",
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )  # fmt: skip
