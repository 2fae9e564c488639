"""A decoder for one dense task, and the network of a pyramid and such a decoder."""

from typing import Annotated

from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.heads.pixel_decoder import DECODER_WIDTH, PixelDecoder, prediction_head
from unstride.models.multitask.task import Task
from unstride.precision import upcast_half
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import Whole
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.image_check import check_image_shape
from unstride.upsamplers.interpolation import Bilinear

DecoderWidth = Annotated[int, Whole(2)]  # its head has half as many channels


class TaskDecoder(nn.Module):
    """Predicts a task's quantity at the image's pixels from the features of a pyramid.

    Args:
        channels: channels of the features, by stride.
        task: the task to predict.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of the decoder.
    """

    @checked
    def __init__(
        self,
        channels: dict[int, int],
        task: Task,
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: DecoderWidth = DECODER_WIDTH,
    ):
        super().__init__()
        self.task = task
        self.decoder = PixelDecoder(channels, upsampler, width=width)
        self.head = prediction_head(width, task.channels)

    def forward(
        self, features: dict[int, Tensor], image: Float[Tensor, "b 3 h w"], size: tuple[int, int]
    ) -> Tensor:
        """The prediction, cropped to `size`.

        Args:
            features: features by stride.
            image: RGB in [0, 1], padded as the features.
            size: size of the image without padding.
        """
        raw = upcast_half(self.head(self.decoder(features, image)[1]))
        return self.task.activate(raw[:, :, : size[0], : size[1]])


class SingleTask(nn.Module):
    """A network for one task: `SingleTask(create_pyramid(), LogDepth())` predicts depth.

    Args:
        pyramid: the encoder.
        task: the task to predict.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of the decoder.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        task: Task,
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: DecoderWidth = DECODER_WIDTH,
    ):
        super().__init__()
        self.pyramid = pyramid
        self.decoder = TaskDecoder(pyramid.channels, task, upsampler, width=width)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Tensor:
        """The task's prediction at each pixel.

        Args:
            image: RGB in [0, 1], of any size.
        """
        check_image_shape(image)
        size = image.shape[2], image.shape[3]
        padded = pad_image(image, self.pyramid.padded_size(size))
        return self.decoder(self.pyramid(image), padded, size)
