"""The tasks of probes: predict the class, or the depth, of every pixel."""

from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from unstride.formats.labels import UNLABELLED
from unstride.metrics import BoundaryIoU, DepthErrors, mean_iou


class ProbeTask(Protocol):
    """What a probe learns to predict for a pixel."""

    out_channels: int

    def is_labelled(self, labels: Tensor) -> Tensor:
        """Return True where a pixel has a label."""

    def loss(self, predictions: Float[Tensor, "n k"], labels: Tensor, /) -> Tensor:
        """Return the mean loss over pixels."""

    def create_metric(self) -> Any:
        """Create a metric: `update(predictions "k h w", labels)` per image, then `compute()`."""


class SegmentationTask:
    """Predicts the class of each pixel, trained with cross entropy.

    Args:
        num_classes: number of classes.
    """

    def __init__(self, num_classes: int):
        self.out_channels = num_classes

    def is_labelled(self, labels: Int[Tensor, "..."]) -> Tensor:
        """Return True where a pixel has a class."""
        return labels != UNLABELLED

    def loss(self, logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"]) -> Tensor:
        """Return the cross entropy."""
        return cross_entropy(logits, labels)

    def create_metric(self) -> "SegmentationMetrics":
        """Create a metric of the classes with the greatest logit."""
        return SegmentationMetrics(self.out_channels)


class SegmentationMetrics:
    """mIoU and boundary mIoU over a whole data set, in percent.

    Args:
        num_classes: number of classes.
    """

    def __init__(self, num_classes: int):
        self.mean_iou, self.boundary_iou = mean_iou(num_classes), BoundaryIoU(num_classes)

    def update(self, logits: Float[Tensor, "k h w"], labels: Int[Tensor, "h w"]) -> None:
        """Add an image."""
        predicted = logits.max(0).indices[None]  # several times faster than argmax here
        self.mean_iou.update(predicted, labels[None])
        self.boundary_iou.update(predicted, labels[None])

    def compute(self) -> dict[str, float]:
        """Return the values by name."""
        values = {"mIoU": self.mean_iou.compute(), "boundary mIoU": self.boundary_iou.compute()}
        return {name: 100 * value.item() for name, value in values.items()}


class DepthTask:
    """Predicts the logarithm of each pixel's depth in metres, trained with its absolute error.

    Args:
        caps: smallest and largest depth in metres; depths outside count as unlabelled.
    """

    out_channels = 1

    def __init__(self, caps: tuple[float, float]):
        self.caps = caps

    def is_labelled(self, labels: Float[Tensor, "..."]) -> Tensor:
        """Return True where depth was measured and lies within the caps."""
        return (labels > self.caps[0]) & (labels < self.caps[1])

    def loss(self, log_depth: Float[Tensor, "n 1"], labels: Float[Tensor, " n"]) -> Tensor:
        """Return the mean of |log prediction - log depth|."""
        return (log_depth[:, 0] - labels.log()).abs().mean()

    def create_metric(self) -> "DepthMetrics":
        """Create a metric of the predicted depth."""
        return DepthMetrics(self.caps)


class DepthMetrics:
    """abs rel, RMSE in metres and delta1 in percent: means over images, without any alignment.

    Args:
        caps: smallest and largest depth in metres; depths outside are not scored.
    """

    def __init__(self, caps: tuple[float, float]):
        self.errors = DepthErrors(caps)

    def update(self, log_depth: Float[Tensor, "1 h w"], labels: Float[Tensor, "h w"]) -> None:
        """Add an image."""
        self.errors.update(log_depth.exp(), labels[None])

    def compute(self) -> dict[str, float]:
        """Return the values by name."""
        errors = {name: value.item() for name, value in self.errors.compute().items()}
        return {
            "abs rel": errors["abs_rel"], "RMSE": errors["rmse"], "delta1": 100 * errors["delta1"],
        }  # fmt: skip


def create_probe_task(dataset) -> SegmentationTask | DepthTask:
    """Create the task of a data set: its classes, or depth if it has no classes."""
    return SegmentationTask(len(dataset.classes)) if dataset.classes else DepthTask(dataset.caps)
