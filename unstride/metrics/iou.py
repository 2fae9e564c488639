"""Intersection over union of classes over a whole set, of their areas and of their boundaries.

Boundary IoU: Cheng, Girshick, Dollar, Berg, Kirillov, CVPR 2021, arXiv:2103.16562, section 4,
with the square window and the image's border of the authors' code. The paper scores single masks;
here, as usual for mIoU, a class's counts are summed over the set before the quotient is taken.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import pad
from torchmetrics import Metric
from torchmetrics.classification import MulticlassJaccardIndex

from unstride.formats.labels import UNLABELLED


def mean_iou(classes: int) -> Metric:
    """The mean over classes of the IoU by one confusion matrix of the whole set.

    Unlabelled pixels are ignored. Classes absent from both truth and prediction are left out of
    the mean. Update it with maps of classes: `metric.update(prediction, target)`.

    Args:
        classes: how many there are; their numbers are 0..classes-1.
    """
    return MulticlassJaccardIndex(classes, average="macro", ignore_index=UNLABELLED)


def boundary_band(labels: Int64[Tensor, "b h w"], width: int) -> Bool[Tensor, "b h w"]:
    """Labelled pixels within `width` of a labelled pixel of another class, or of the outside.

    The distance is the larger of rows and columns. What is unlabelled neither belongs to a band
    nor makes one: where a strip of it parts two classes, each has its band beside the strip,
    narrower by the strip.

    Args:
        labels: classes, or UNLABELLED.
        width: of the band, in pixels, at least 1.
    """
    known = labels != UNLABELLED
    outside = torch.finfo(torch.float32).max
    highest = _max_filter(labels.float().masked_fill(~known, -1), width, outside)
    lowest = -_max_filter(-labels.float(), width, outside)  # UNLABELLED is above all classes
    return known & (highest != lowest)


class BoundaryIoU(Metric):
    """The mean over classes of the IoU of the pixels along their boundaries.

    IoU_k = sum |G_k band & P_k band| / sum |G_k band | P_k band|, summed over the set, where G_k
    band are the pixels of class k in the truth that lie in its `boundary_band`, and P_k band those
    of the prediction. A class that has no such pixel in either is left out of the mean; without any
    class the mean is NaN. Where the truth is unlabelled the prediction is taken as unlabelled too.

    Args:
        classes: how many there are; their numbers are 0..classes-1.
        ratio: width of the band as a share of the image's diagonal; at least one pixel.
    """

    full_state_update = False
    higher_is_better = True
    intersection: Tensor
    union: Tensor

    def __init__(self, classes: int, ratio: float = 0.02):
        super().__init__()
        if not 0 < ratio < 1:
            raise ValueError(f"ratio {ratio}: a share of the diagonal, between 0 and 1")
        self.classes, self.ratio = classes, ratio
        for state in ("intersection", "union"):
            zeros = torch.zeros(classes, dtype=torch.int64)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(self, prediction: Int64[Tensor, "b h w"], target: Int64[Tensor, "b h w"]) -> None:
        """Adds images, all of one size.

        Raises:
            ValueError: if the sizes differ or a number is no class.
        """
        if prediction.shape != target.shape:
            sizes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            raise ValueError(f"prediction and target: {sizes}, one size is needed")
        known = target != UNLABELLED
        self._check(prediction[known], "prediction")
        self._check(target[known], "target")
        prediction = prediction.masked_fill(~known, UNLABELLED)
        width = band_width((prediction.shape[-2], prediction.shape[-1]), self.ratio)
        found, true = boundary_band(prediction, width), boundary_band(target, width)
        both = self._count(target[found & true & (prediction == target)])
        self.intersection += both
        self.union += self._count(prediction[found]) + self._count(target[true]) - both

    def compute(self) -> Float[Tensor, ""]:
        """The mean over the classes that occur."""
        return self.per_class().nanmean()

    def per_class(self) -> Float[Tensor, " n"]:
        """The IoU of each class, NaN for those that do not occur."""
        return self.intersection / self.union

    def _count(self, classes: Int64[Tensor, " n"]) -> Int64[Tensor, " k"]:
        return torch.zeros_like(self.union).index_add(0, classes, torch.ones_like(classes))

    def _check(self, numbers: Int64[Tensor, " n"], name: str) -> None:
        wrong = numbers[(numbers < 0) | (numbers >= self.classes)]
        if len(wrong):
            raise ValueError(f"{name}: {int(wrong[0])} is none of {self.classes} classes")


def band_width(size: tuple[int, int], ratio: float) -> int:
    """The width of the band in pixels: a share of the diagonal, at least 1."""
    height, width = size
    return max(1, round(ratio * (height**2 + width**2) ** 0.5))


def _max_filter(
    values: Float[Tensor, "b h w"], width: int, outside: float
) -> Float[Tensor, "b h w"]:
    values = pad(values, (width,) * 4, value=outside)
    side = 2 * width + 1
    for dim in (1, 2):
        reach = 1  # pixels under each maximum; as many again in each round, so few rounds
        while reach < side:
            step = min(reach, side - reach)
            n = values.shape[dim] - step
            values = torch.maximum(values.narrow(dim, 0, n), values.narrow(dim, step, n))
            reach += step
    return values
