"""A network for several tasks: one encoder, a decoder per task, and uncertainty-weighted losses."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.heads.pixel_decoder import DECODER_WIDTH
from unstride.losses.uncertainty_weighting import UncertaintyWeighting
from unstride.models.multitask.single_task import DecoderWidth, TaskDecoder
from unstride.models.multitask.task import Task
from unstride.saving.argument_checks import checked
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.image_check import check_image_shape
from unstride.upsamplers.interpolation import Bilinear


class MultiTask(nn.Module):
    """Predicts several tasks at each pixel, such as segmentation, depth and normals.

    Args:
        pyramid: the encoder, shared by all tasks.
        tasks: tasks by name, of letters, digits and underscores.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of each decoder.

    Raises:
        ValueError: if there are no tasks.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        tasks: Mapping[str, Task],
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: DecoderWidth = DECODER_WIDTH,
    ):
        super().__init__()
        if not tasks:
            raise ValueError("tasks must contain at least one task, got none")
        self.pyramid, self.tasks = pyramid, dict(tasks)
        self.decoders = nn.ModuleDict(
            {
                name: TaskDecoder(pyramid.channels, task, upsampler, width=width)
                for name, task in tasks.items()
            }
        )
        self.weighting = UncertaintyWeighting(
            {name: task.is_classification for name, task in tasks.items()}
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """Predictions at each pixel, by task name.

        Args:
            image: RGB in [0, 1], of any size.
        """
        check_image_shape(image)
        size = image.shape[2], image.shape[3]
        features = self.pyramid(image)
        padded = pad_image(image, self.pyramid.padded_size(size))
        return {name: decode(features, padded, size) for name, decode in self.decoders.items()}

    def loss(
        self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted sum of the losses, and each task's own loss.

        Tasks without a label in the batch are left out. Without any labels the sum is 0.

        Args:
            predictions: output of `forward`.
            targets: targets by task name. An unlabelled task may be missing.

        Raises:
            ValueError: if a target's name is not a task.
        """
        unknown = [name for name in targets if name not in self.tasks]
        if unknown:
            raise ValueError(
                f"keys of targets must be among {', '.join(self.tasks)}, got {', '.join(unknown)}"
            )
        losses = {
            name: self.tasks[name].loss(predictions[name], target)
            for name, target in targets.items()
            if self.tasks[name].is_labelled(target).any()
        }
        if not losses:
            return 0 * self.weighting.log_variance.sum(), {}
        return self.weighting(losses), losses
