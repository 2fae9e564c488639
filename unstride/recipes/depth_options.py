"""Options of the depth recipe."""

from dataclasses import dataclass

from unstride.datasets.by_name import VIDEO_DATASETS
from unstride.training.options import TaskOptions, check_fraction, check_range, check_sizes

DATASETS_BY_MODEL = {
    "supervised": ("posed_rgbd", "nyuv2", "kitti_depth"),
    "monodepth": tuple(VIDEO_DATASETS),
}


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a depth network, on measured depth or on video.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    The scores are abs_rel, sq_rel, rmse, rmse_log and delta1 to delta3, at the size of the labels.
    For kitti, which has no depth, the score is the photometric error.

    Args:
        dataset: for supervised: posed_rgbd, nyuv2 or kitti_depth. For monodepth: posed_rgbd, kitti
            or kitti_depth. nyuv2 has no validation split; its test split is scored.
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
    model: str = "supervised"
    near: float = 0.3
    far: float = 10.0
    size: tuple[int, int] = (240, 320)
    crop_size: tuple[int, int] | None = None
    horizontal_flip: bool = True
    colour_jitter: float = 0.2
    hue_jitter: float | None = None
    colour_jitter_probability: float = 1.0
    known_poses: bool = False
    frame_interval: int = 1
    eval_depth_range: tuple[float, float] = (0.001, 10.0)
    eval_crop: str | None = None
    alignment: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_sizes(self, "size", "crop_size")
        check_range(self, "eval_depth_range")
        check_fraction(self, "colour_jitter")
        check_fraction(self, "hue_jitter", 0.5)
        check_fraction(self, "colour_jitter_probability")
        if self.model not in DATASETS_BY_MODEL:
            models = ", ".join(DATASETS_BY_MODEL)
            raise ValueError(f"model must be one of {models}, got {self.model!r}")
        datasets = DATASETS_BY_MODEL[self.model]
        if self.dataset not in datasets:
            raise ValueError(
                f"dataset must be one of {', '.join(datasets)} for model {self.model}, "
                f"got {self.dataset!r}"
            )
