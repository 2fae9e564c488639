"""A dense task: what is read off the decoder, what it means, what it costs to be wrong."""

from abc import ABC, abstractmethod
from math import log

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from unstride.backbones.timm_backbone import pad_image
from unstride.formats.labels import UNLABELLED
from unstride.losses.supervised import cosine_error, pixel_cross_entropy, scale_invariant_error
from unstride.heads.pixel_decoder import WIDTH, PixelDecoder, head
from unstride.precision import widened
from unstride.backbones.pyramid import Pyramid
from unstride.upsamplers.factory import Factory
from unstride.upsamplers.interpolation import Bilinear


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
        """`scale_invariant_error`."""
        return scale_invariant_error(answer, target)


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
        """`cosine_error`."""
        return cosine_error(answer, target)


class TaskDecoder(nn.Module):
    """A task's answer at the image's pixels, from a pyramid's features.

    Args:
        channels: of the features, by stride.
        task: what is answered.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of the decoder.
    """

    def __init__(
        self,
        channels: dict[int, int],
        task: Task,
        upsampler: Factory = Bilinear,
        *,
        width: int = WIDTH,
    ):
        super().__init__()
        self.task = task
        self.decoder = PixelDecoder(channels, upsampler, width=width)
        self.head = head(width, task.channels)

    def forward(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 h w"], size: tuple[int, int]
    ) -> Tensor:
        """The answer at `size`, the part of the padded image that is the image."""
        raw = widened(self.head(self.decoder(features, image)[1]))
        return self.task.answer(raw[:, :, : size[0], : size[1]])


class SingleTask(nn.Module):
    """One task on a pyramid: `SingleTask(create_pyramid(), LogDepth())` is a depth network.

    Args:
        pyramid: the encoder.
        task: what is answered.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of the decoder.
    """

    def __init__(
        self, pyramid: Pyramid, task: Task, upsampler: Factory = Bilinear, *, width: int = WIDTH
    ):
        super().__init__()
        self.pyramid = pyramid
        self.decoder = TaskDecoder(pyramid.channels, task, upsampler, width=width)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Tensor:
        """The task's answer at each pixel of an image, RGB in [0, 1] and of any size."""
        size = image.shape[2], image.shape[3]
        padded = pad_image(image, self.pyramid.padded_size(size))
        return self.decoder(self.pyramid(image), padded, size)
