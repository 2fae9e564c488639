"""TODO."""

from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.heads.pixel_decoder import DECODER_WIDTH, PixelDecoder, prediction_head
from unstride.models.multitask.task import Task
from unstride.precision import upcast_half
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.interpolation import Bilinear


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
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: int = DECODER_WIDTH,
    ):
        super().__init__()
        self.task = task
        self.decoder = PixelDecoder(channels, upsampler, width=width)
        self.head = prediction_head(width, task.channels)

    def forward(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 h w"], size: tuple[int, int]
    ) -> Tensor:
        """The answer at `size`, the part of the padded image that is the image."""
        raw = upcast_half(self.head(self.decoder(features, image)[1]))
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
        self,
        pyramid: Pyramid,
        task: Task,
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: int = DECODER_WIDTH,
    ):
        super().__init__()
        self.pyramid = pyramid
        self.decoder = TaskDecoder(pyramid.channels, task, upsampler, width=width)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Tensor:
        """The task's answer at each pixel of an image, RGB in [0, 1] and of any size."""
        size = image.shape[2], image.shape[3]
        padded = pad_image(image, self.pyramid.padded_size(size))
        return self.decoder(self.pyramid(image), padded, size)
