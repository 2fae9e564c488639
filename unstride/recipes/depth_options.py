"""What the recipe for depth can be told."""

from dataclasses import dataclass

from unstride.datasets.kitti import KITTIOdometry
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.training.options import TaskOptions

VideoDataset = PosedRGBD | KITTIOdometry | KITTIDepth
VIDEO_DATASETS: dict[str, type[VideoDataset]] = {
    "posed_rgbd": PosedRGBD,
    "kitti": KITTIOdometry,
    "kitti_depth": KITTIDepth,
}
DATASETS_BY_MODEL = {
    "supervised": ("posed_rgbd", "nyuv2", "kitti_depth"),
    "monodepth": tuple(VIDEO_DATASETS),
}


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a network for depth.

    Writes OUT/model, a folder for `unstride predict`; OUT/card.json (what was done, and the scores
    on the validation split) and OUT/last.ckpt; a run that was stopped goes on from there, to the
    same curve. Scored are abs_rel, sq_rel, rmse, rmse_log and delta1 to delta3 at the labels' own
    size; of kitti, whose reader has no depth, the photometric error.

    Args:
        dataset: posed_rgbd, nyuv2 or kitti_depth for supervised, posed_rgbd, kitti or kitti_depth
            for monodepth. Of nyuv2, which has no val, the test split is scored.
        model: supervised or monodepth.
        near: the least depth that the network can say, in metres; without known motion in the unit
            of its own motion.
        far: the greatest.
        size: rows and columns that every photograph is given.
        crop: rows and columns of a training crop, for supervised; by default the size.
        flip: mirror half of the photographs.
        colour: how much brightness, contrast and saturation change, 0 to 1.
        hue: how far it turns at most, as a share of the full circle, 0 to 0.5; by default a tenth
            of `colour`.
        colour_share: of photographs whose colours change, 0 to 1.
        known_motion: monodepth takes the camera's poses, so that depth is in metres; kitti_depth
            has none.
        spacing: monodepth's neighbours, in frame numbers.
        caps: depths between which is scored, in metres.
        score_crop: garg or eigen: the part of KITTI's pictures that is scored; by default all.
        alignment: none, median or scale_shift; by default median for monodepth without known
            motion, else none.
    """

    dataset: str = "posed_rgbd"
    model: str = "supervised"
    near: float = 0.3
    far: float = 10.0
    size: tuple[int, int] = (240, 320)
    crop: tuple[int, int] | None = None
    flip: bool = True
    colour: float = 0.2
    hue: float | None = None
    colour_share: float = 1.0
    known_motion: bool = False
    spacing: int = 1
    caps: tuple[float, float] = (0.001, 10.0)
    score_crop: str | None = None
    alignment: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no run could be made with.

        Raises:
            ValueError: that names the option.
        """
        super().__post_init__()
        if self.model not in DATASETS_BY_MODEL:
            raise ValueError(f"model {self.model!r}: there are {', '.join(DATASETS_BY_MODEL)}")
        if self.dataset not in DATASETS_BY_MODEL[self.model]:
            known = ", ".join(DATASETS_BY_MODEL[self.model])
            raise ValueError(f"dataset {self.dataset!r}: for model {self.model} there are {known}")
