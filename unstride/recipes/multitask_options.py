"""Options of the multi-task recipe."""

from dataclasses import dataclass
from typing import Annotated

from unstride.training.options import (
    DepthRange,
    Each,
    Fraction,
    OneOf,
    PixelSize,
    PositiveFloat,
    TaskOptions,
    check_depths,
)

TASKS = "segmentation", "depth", "normals"


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train one network for several tasks.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    The scores at the size of the labels are:

    - segmentation: miou in percent.
    - depth: abs_rel, sq_rel, rmse, rmse_log and delta1 to delta3.
    - normals: angle_mean and angle_median in degrees, and the fractions of normals within 11.25,
      22.5 and 30 degrees.

    The first score of the first task selects the best weights.

    Args:
        dataset: posed_rgbd, nyuv2 or nyuv2_tasks; only nyuv2_tasks has classes. nyuv2 has no
            validation split; its test split is scored.
        tasks: tasks to train: segmentation, depth, normals.
        near: minimum depth that the network can predict, in metres.
        far: maximum depth that the network can predict, in metres.
        size: height and width to which all images are resized, in pixels.
        crop_size: height and width of training crops, in pixels. Default: the size.
        horizontal_flip: mirror half of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
        eval_depth_range: minimum and maximum depth that is scored, in metres.
    """

    dataset: str = "posed_rgbd"
    tasks: Annotated[tuple[str, ...], Each(OneOf(TASKS))] = ("depth", "normals")
    near: PositiveFloat = 0.3
    far: PositiveFloat = 10.0
    size: PixelSize = (240, 320)
    crop_size: PixelSize | None = None
    horizontal_flip: bool = True
    colour_jitter: Fraction = 0.2
    eval_depth_range: DepthRange = (0.001, 10.0)

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_depths(self)
