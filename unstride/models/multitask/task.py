"""A dense task: what is read off the decoder, what it means, what it costs to be wrong."""

from abc import ABC, abstractmethod
from math import log

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from unstride.formats.labels import UNLABELLED
from unstride.losses.supervised import cosine_loss, pixel_cross_entropy, scale_invariant_log_loss


class Task(ABC):
    """A task with an answer for every pixel; a subclass owns no parameters.

    Attributes:
        channels: that are read off the decoder.
        is_classification: for the weighting of losses.
    """

    channels: int
    is_classification = False

    def answer(self, raw: Float[Tensor, "b c h w"]) -> Tensor:
        """The task's quantity, of what is read off."""
        return raw

    @abstractmethod
    def known(self, target: Tensor) -> Bool[Tensor, "b h w"]:
        """Where there is a label."""

    @abstractmethod
    def loss(self, answer: Tensor, target: Tensor) -> Float[Tensor, ""]:
        """Of the answer, over the labelled pixels."""


class Segmentation(Task):
    """Classes: answers are logits "b c h w", targets int64 "b h w" or UNLABELLED.

    Args:
        classes: how many there are.
    """

    is_classification = True

    def __init__(self, classes: int):
        self.channels = classes

    def known(self, target):
        """All but UNLABELLED."""
        return target != UNLABELLED

    def loss(self, answer, target):
        """`pixel_cross_entropy`."""
        return pixel_cross_entropy(answer, target)


class LogDepth(Task):
    """Depth "b h w" in metres; a sigmoid runs from near to far on the scale of its logarithm.

    Args:
        near: the least depth in metres, above 0.
        far: the greatest.

    Raises:
        ValueError: if they are none.
    """

    channels = 1

    def __init__(self, near: float = 0.1, far: float = 10.0):
        if not 0 < near < far:
            raise ValueError(f"near {near} and far {far}: 0 < near < far in metres is needed")
        self.near, self.far = near, far

    def answer(self, raw):
        """near (far / near)^sigmoid."""
        return self.near * (log(self.far / self.near) * raw[:, 0].sigmoid()).exp()

    def known(self, target):
        """Above 0."""
        return target > 0

    def loss(self, answer, target):
        """`scale_invariant_log_loss`."""
        return scale_invariant_log_loss(answer, target)


class SurfaceNormals(Task):
    """Unit vectors "b 3 h w" in the camera's frame (x right, y down, z forward)."""

    channels = 3

    def answer(self, raw):
        """Made unit."""
        return normalize(raw, dim=1)

    def known(self, target):
        """Any but the zero vector."""
        return (target != 0).any(1)

    def loss(self, answer, target):
        """`cosine_loss`."""
        return cosine_loss(answer, target)
