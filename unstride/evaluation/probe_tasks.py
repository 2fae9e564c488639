"""What probes learn: a class, or the depth, of every pixel."""

from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from unstride.datasets.by_name import UNLABELLED
from unstride.metrics import BoundaryIoU, DepthErrors, mean_iou


class SegmentationTask:
    """A class for each pixel, by cross entropy.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int):
        self.outputs = classes

    def known(self, labels: Int[Tensor, "..."]) -> Tensor:
        """Where there is a class."""
        return labels != UNLABELLED

    def loss(self, answers: Float[Tensor, "n k"], labels: Int[Tensor, " n"]) -> Tensor:
        """Cross entropy."""
        return cross_entropy(answers, labels)

    def score(self) -> "SegmentationMetrics":
        """Of the classes of greatest answer."""
        return SegmentationMetrics(self.outputs)


class SegmentationMetrics:
    """mIoU and boundary mIoU over a whole set, in percent.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int):
        self.areas, self.boundaries = mean_iou(classes), BoundaryIoU(classes)

    def update(self, answers: Float[Tensor, "k h w"], labels: Int[Tensor, "h w"]) -> None:
        """Add an image."""
        found = answers.max(0).indices[None]  # several times faster than argmax here
        self.areas.update(found, labels[None])
        self.boundaries.update(found, labels[None])

    def compute(self) -> dict[str, float]:
        """The values by name."""
        values = {"mIoU": self.areas.compute(), "boundary mIoU": self.boundaries.compute()}
        return {name: 100 * value.item() for name, value in values.items()}


class DepthTask:
    """The logarithm of each pixel's depth in metres, by its absolute error.

    Args:
        caps: metres; no depth outside counts as known.
    """

    outputs = 1

    def __init__(self, caps: tuple[float, float]):
        self.caps = caps

    def known(self, labels: Float[Tensor, "..."]) -> Tensor:
        """Where depth was measured, within the caps."""
        return (labels > self.caps[0]) & (labels < self.caps[1])

    def loss(self, answers: Float[Tensor, "n 1"], labels: Float[Tensor, " n"]) -> Tensor:
        """Mean |log prediction - log depth|."""
        return (answers[:, 0] - labels.log()).abs().mean()

    def score(self) -> "DepthMetrics":
        """Of the depth whose logarithm is the answer."""
        return DepthMetrics(self.caps)


class DepthMetrics:
    """abs rel, RMSE in metres and delta1 in percent: means over images, nothing aligned.

    Args:
        caps: metres; no depth outside is scored.
    """

    def __init__(self, caps: tuple[float, float]):
        self.errors = DepthErrors(caps)

    def update(self, answers: Float[Tensor, "1 h w"], labels: Float[Tensor, "h w"]) -> None:
        """Add an image."""
        self.errors.update(answers.exp(), labels[None])

    def compute(self) -> dict[str, float]:
        """The values by name."""
        found = {name: value.item() for name, value in self.errors.compute().items()}
        return {
            "abs rel": found["abs_rel"], "RMSE": found["rmse"], "delta1": 100 * found["delta1"],
        }  # fmt: skip


def create_probe_task(dataset) -> SegmentationTask | DepthTask:
    """What a probe can learn from a data set: its classes, or depth if it has none."""
    return SegmentationTask(len(dataset.classes)) if dataset.classes else DepthTask(dataset.caps)


class ProbeTask(Protocol):
    """What a probe learns to say of a pixel."""

    outputs: int

    def known(self, labels: Tensor) -> Tensor:
        """True where there is something to learn."""

    def loss(self, answers: Float[Tensor, "n k"], labels: Tensor) -> Tensor:
        """The mean over pixels."""

    def score(self) -> Any:
        """What collects (answers "k h w", labels) of images by `update`; `compute` has values."""
