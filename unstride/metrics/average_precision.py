"""COCO average precision of boxes and masks: torchmetrics' metric, computed by faster-coco-eval."""

from itertools import zip_longest
from typing import Any, Literal

import numpy as np
from torch import Tensor, distributed
from torch.utils._pytree import tree_map_only
from torchmetrics.detection import MeanAveragePrecision


class AveragePrecision(MeanAveragePrecision):
    """torchmetrics' metric with two changes.

    Undefined scores are NaN, not -1. Processes may have measured different numbers of images.
    """

    def compute(self) -> dict[str, Tensor]:
        """The scores by name, see `average_precision`."""
        scores = super().compute()
        return {
            name: value.masked_fill(value < 0, float("nan")) if value.is_floating_point() else value
            for name, value in scores.items()
        }

    def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
        """Gather the images of all processes, taking one image of each process in turn."""
        states = {name: getattr(self, name) for name in self._reductions}
        on_cpu = tree_map_only(Tensor, Tensor.cpu, states)
        gathered: list[Any] = [None] * distributed.get_world_size(process_group)
        distributed.all_gather_object(gathered, on_cpu, process_group)
        for name in states:
            turns = zip_longest(*(process_states[name] for process_states in gathered))
            setattr(self, name, [item for turn in turns for item in turn if item is not None])


def average_precision(region_type: Literal["boxes", "masks"] = "boxes") -> AveragePrecision:
    """Create COCO's average precision, a mean over classes.

    `map` is over IoU thresholds 0.50 to 0.95; `map_50` and `map_75` are at one threshold. Update it
    with lists of detectors' outputs and of targets of `InstanceDataset`: `boxes` XYXY, `labels`,
    `scores` and, for masks, bool or uint8 `masks` "n h w".

    The best 100 detections of an image count. A detection in a crowd of its class is ignored. Sizes
    (`map_small` and so on) go by the area of the box or mask. COCO's own evaluation takes a
    target's area from the file, and a detection's from its box if the results have one; it ignores
    a box turned inside out. Otherwise both agree. torchmetrics' default thresholds are rounded to
    float32, so that a recall of 4/5 does not reach 0.8, which costs up to 0.01 for a class; this
    function sets them in double precision.

    Args:
        region_type: what is compared.
    """
    iou_type: Literal["bbox", "segm"] = "bbox" if region_type == "boxes" else "segm"
    return AveragePrecision(
        iou_type=iou_type, backend="faster_coco_eval",
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )  # fmt: skip
