"""Options of the depth recipe."""

from dataclasses import dataclass
from typing import Annotated

from unstride.datasets.by_name import VIDEO_DATASETS
from unstride.training.options import (
    DepthRange,
    Finite,
    Fraction,
    OneOf,
    OwnDataOptions,
    PixelSize,
    PositiveFloat,
    PositiveInt,
    check_depths,
)

DATASETS_BY_MODEL = {
    "supervised": ("posed_rgbd", "nyuv2", "kitti_depth", "folder"),
    "monodepth": tuple(VIDEO_DATASETS),
}


@dataclass(frozen=True, kw_only=True)
class Options(OwnDataOptions):
    """Train a depth network, on measured depth or on video.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    The scores are abs_rel, sq_rel, rmse, rmse_log and delta1 to delta3, at the size of the labels.
    For kitti, which has no depth, the score is the photometric error.

    Args:
        dataset: for supervised: posed_rgbd, nyuv2 or kitti_depth; or folder, your own images and
            depth (docs/your_data.md). For monodepth: posed_rgbd, kitti or kitti_depth. nyuv2 has no
            validation split; its test split is scored.
        metres_per_step: metres per step of the numbers in 16-bit depth images of dataset folder.
            Default: 0.001, for millimetres.
        model: supervised (learns from measured depth) or monodepth (learns from video).
        near: minimum depth that the network can predict, in metres. For monodepth without
            known_poses, in the unit of the predicted motion.
        far: maximum depth that the network can predict, in the same unit.
        size: height and width to which all images are resized, in pixels.
        crop_size: height and width of training crops in pixels, for supervised. Default: the size.
        horizontal_flip: mirror half of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
        hue_jitter: maximum change of the hue as a fraction of the full circle, 0 to 0.5. Default: a
            tenth of colour_jitter.
        colour_jitter_probability: fraction of the training images whose colours change, 0 to 1.
        known_poses: give monodepth the camera poses of the data set, so that depth is in metres.
            kitti_depth has no poses.
        frame_interval: distance of the neighbouring frames of monodepth, in frame numbers.
        eval_depth_range: minimum and maximum depth that is scored, in metres.
        eval_crop: part of a KITTI image that is scored: garg or eigen. Default: the whole image.
        alignment: alignment of predictions before scoring: none, median or scale_shift. Default:
            median for monodepth without known_poses, otherwise none.
    """

    dataset: str = "posed_rgbd"
    metres_per_step: PositiveFloat | None = None
    model: Annotated[str, OneOf(tuple(DATASETS_BY_MODEL))] = "supervised"
    near: PositiveFloat = 0.3
    far: PositiveFloat = 10.0
    size: PixelSize = (240, 320)
    crop_size: PixelSize | None = None
    horizontal_flip: bool = True
    colour_jitter: Fraction = 0.2
    hue_jitter: Annotated[float, Finite(minimum=0.0, maximum=0.5)] | None = None
    colour_jitter_probability: Fraction = 1.0
    known_poses: bool = False
    frame_interval: PositiveInt = 1
    eval_depth_range: DepthRange = (0.001, 10.0)
    eval_crop: Annotated[str, OneOf(("garg", "eigen"))] | None = None
    alignment: Annotated[str, OneOf(("none", "median", "scale_shift"))] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_depths(self)
        datasets = DATASETS_BY_MODEL[self.model]
        if self.dataset not in datasets:
            raise ValueError(
                f"dataset must be one of {', '.join(datasets)} for model {self.model}, "
                f"got {self.dataset!r}"
            )
