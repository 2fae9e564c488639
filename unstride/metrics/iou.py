"""Mean IoU of areas and of boundaries, with counts summed over a whole data set.

Boundary IoU: Cheng, Girshick, Dollar, Berg, Kirillov, CVPR 2021, arXiv:2103.16562, section 4,
with the square window and the image border of the authors' code. The paper scores single masks.
Here, as usual for mIoU, a class's counts are summed over the data set before they are divided.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import pad
from torchmetrics import Metric
from torchmetrics.classification import MulticlassJaccardIndex

from unstride.formats.labels import UNLABELLED
from unstride.metrics.checks import check_same_size


def mean_iou(classes: int) -> Metric:
    """Create the mean IoU over classes, from one confusion matrix of the whole data set.

    Unlabelled pixels are ignored. Classes absent from both truth and prediction are left out of
    the mean. Update it with label maps: `metric.update(prediction, target)`.

    Args:
        classes: number of classes, whose indices are 0..classes-1.
    """
    return MulticlassJaccardIndex(classes, average="macro", ignore_index=UNLABELLED)


def boundary_band(labels: Int64[Tensor, "b h w"], width: int) -> Bool[Tensor, "b h w"]:
    """Mask of labelled pixels close to another class or to the image border.

    Close means within `width` rows and columns of a labelled pixel of another class, or of the
    outside of the image. Unlabelled pixels neither belong to a band nor cause one. Where a strip of
    them separates two classes, each class has its band beside the strip, narrower by the strip.

    Args:
        labels: class indices, or UNLABELLED.
        width: width of the band in pixels, at least 1.
    """
    is_labelled = labels != UNLABELLED
    outside = torch.finfo(torch.float32).max
    highest = _max_filter(labels.float().masked_fill(~is_labelled, -1), width, outside)
    lowest = -_max_filter(-labels.float(), width, outside)  # UNLABELLED is above all classes
    return is_labelled & (highest != lowest)


class BoundaryIoU(Metric):
    """Mean over classes of the IoU of the pixels along their boundaries.

    IoU_k = sum |G_k band & P_k band| / sum |G_k band | P_k band|, summed over the data set. G_k
    band is the set of pixels of class k in the truth that lie in its `boundary_band`, P_k band that
    of the prediction. A class without such pixels in both is left out of the mean. Without any
    class the mean is NaN. The prediction counts as unlabelled where the truth is unlabelled.

    Args:
        classes: number of classes, whose indices are 0..classes-1.
        dilation_ratio: width of the band as a share of the image's diagonal, between 0 and 1. The
            band is at least one pixel wide.
    """

    full_state_update = False
    higher_is_better = True
    intersection: Tensor
    union: Tensor

    def __init__(self, classes: int, dilation_ratio: float = 0.02):
        super().__init__()
        if not 0 < dilation_ratio < 1:
            raise ValueError(f"dilation_ratio must be between 0 and 1, got {dilation_ratio}")
        self.classes, self.dilation_ratio = classes, dilation_ratio
        for state in ("intersection", "union"):
            zeros = torch.zeros(classes, dtype=torch.int64)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(self, prediction: Int64[Tensor, "b h w"], target: Int64[Tensor, "b h w"]) -> None:
        """Add images, all of one size.

        Raises:
            ValueError: if the sizes differ, or a value is not a class index.
        """
        check_same_size(prediction.shape, target.shape)
        is_labelled = target != UNLABELLED
        self._check_classes(prediction[is_labelled], "prediction")
        self._check_classes(target[is_labelled], "target")
        prediction = prediction.masked_fill(~is_labelled, UNLABELLED)
        width = band_width((prediction.shape[-2], prediction.shape[-1]), self.dilation_ratio)
        predicted_band, target_band = boundary_band(prediction, width), boundary_band(target, width)
        is_correct = predicted_band & target_band & (prediction == target)
        intersection = self._class_counts(target[is_correct])
        predicted = self._class_counts(prediction[predicted_band])
        self.intersection += intersection
        self.union += predicted + self._class_counts(target[target_band]) - intersection

    def compute(self) -> Float[Tensor, ""]:
        """The mean over the classes that occur."""
        return self.per_class().nanmean()

    def per_class(self) -> Float[Tensor, " n"]:
        """The IoU of each class; NaN for classes that do not occur."""
        return self.intersection / self.union

    def _class_counts(self, classes: Int64[Tensor, " n"]) -> Int64[Tensor, " k"]:
        return torch.zeros_like(self.union).index_add(0, classes, torch.ones_like(classes))

    def _check_classes(self, classes: Int64[Tensor, " n"], name: str) -> None:
        wrong = classes[(classes < 0) | (classes >= self.classes)]
        if len(wrong):
            raise ValueError(
                f"{name}: labels must be in 0..{self.classes - 1}, got {int(wrong[0])}"
            )


def band_width(size: tuple[int, int], dilation_ratio: float) -> int:
    """Width of the band in pixels: a share of the image's diagonal, at least 1."""
    height, width = size
    return max(1, round(dilation_ratio * (height**2 + width**2) ** 0.5))


def _max_filter(
    values: Float[Tensor, "b h w"], width: int, border_value: float
) -> Float[Tensor, "b h w"]:
    """Maximum over the square window that reaches `width` pixels to each side."""
    values = pad(values, (width,) * 4, value=border_value)
    side = 2 * width + 1
    for dim in (1, 2):
        extent = 1  # pixels under each maximum so far; doubles in each round
        while extent < side:
            step = min(extent, side - extent)
            n = values.shape[dim] - step
            values = torch.maximum(values.narrow(dim, 0, n), values.narrow(dim, step, n))
            extent += step
    return values
