"""Dense tasks: what a network predicts at each pixel, how labels are marked, and the loss."""

from abc import ABC, abstractmethod
from math import log

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from unstride.formats.labels import UNLABELLED
from unstride.losses.supervised import cosine_loss, pixel_cross_entropy, scale_invariant_log_loss
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveFloat, PositiveInt


class Task(ABC):
    """Base class of tasks with a prediction for every pixel. A task has no parameters.

    Attributes:
        channels: number of raw output channels that the task needs.
        is_classification: decides how `UncertaintyWeighting` weights its loss.
    """

    channels: int
    is_classification = False

    def activate(self, raw: Float[Tensor, "b c h w"]) -> Tensor:
        """Turn raw network output into the task's quantity."""
        return raw

    @abstractmethod
    def is_labelled(self, target: Tensor) -> Bool[Tensor, "b h w"]:
        """Mask of the pixels with a label."""

    @abstractmethod
    def loss(self, prediction: Tensor, target: Tensor) -> Float[Tensor, ""]:
        """Loss of a prediction over the labelled pixels."""


class Segmentation(Task):
    """Semantic segmentation: predictions are logits "b c h w".

    Targets are int64 "b h w": class indices, or UNLABELLED.

    Args:
        classes: number of classes.
    """

    is_classification = True

    @checked
    def __init__(self, classes: PositiveInt):
        self.channels = classes

    def is_labelled(self, target):
        """All pixels but those with UNLABELLED."""
        return target != UNLABELLED

    def loss(self, prediction, target):
        """See `pixel_cross_entropy`."""
        return pixel_cross_entropy(prediction, target)


class LogDepth(Task):
    """Depth "b h w" in metres: a sigmoid, scaled from near to far in logarithmic depth.

    Args:
        near: smallest depth in metres, above 0.
        far: largest depth in metres.

    Raises:
        ValueError: if the two are invalid.
    """

    channels = 1

    @checked
    def __init__(self, near: PositiveFloat = 0.1, far: PositiveFloat = 10.0):
        if near >= far:
            raise ValueError(f"near must be below far={far}, got {near}")
        self.near, self.far = near, far

    def activate(self, raw):
        """near (far / near)^sigmoid."""
        return self.near * (log(self.far / self.near) * raw[:, 0].sigmoid()).exp()

    def is_labelled(self, target):
        """Pixels above 0."""
        return target > 0

    def loss(self, prediction, target):
        """See `scale_invariant_log_loss`."""
        return scale_invariant_log_loss(prediction, target)


class SurfaceNormals(Task):
    """Surface normals: unit vectors "b 3 h w" in the camera's frame: x right, y down, z forward."""

    channels = 3

    def activate(self, raw):
        """Normalise to unit length."""
        return normalize(raw, dim=1)

    def is_labelled(self, target):
        """Pixels whose vector is not zero."""
        return (target != 0).any(1)

    def loss(self, prediction, target):
        """See `cosine_loss`."""
        return cosine_loss(prediction, target)
