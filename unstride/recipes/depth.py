"""Depth of a photograph, in metres: learned from depth, or from video alone.

    unstride fit depth --config kitchen_depth_small --data KITCHEN --upsampler carafe
    unstride fit depth --config kitchen_monodepth_small --data KITCHEN

`supervised` learns from measured depth by the scale-invariant error of logarithms (Eigen et al.,
arXiv:1406.2283; the share is that of BTS, arXiv:1907.10326); `monodepth` from frames and their
neighbours by what depth and motion predict (Godard et al., arXiv:1806.01260), with the camera's
true poses or a pose network. Photographs are resized as a whole, cropped and mirrored, never
zoomed: that would make depth wrong.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from unstride.data.augment import plain
from unstride.data.base import thinned
from unstride.data.kitti import KITTIOdometry
from unstride.data.kitti_depth import KITTIDepth
from unstride.data.labelled import create_labelled
from unstride.data.metric import AtSize, at_size, metric_augmentation
from unstride.data.neighbours import Neighbours, Sample, mirrored, recoloured
from unstride.data.posed_rgbd import PosedRGBD
from unstride.data.spatial import Depth
from unstride.metrics import DepthErrors
from unstride.models.monodepth import Monodepth
from unstride.models.task import SingleTask
from unstride.recipes.task import (
    TaskLearner,
    TaskOptions,
    create,
    measure,
    samples,
    start,
    train,
    trained,
)
from unstride.viz import compared_depth
from unstride.viz.depth import depth_span

Video = PosedRGBD | KITTIOdometry | KITTIDepth
VIDEO: dict[str, type[Video]] = {
    "posed_rgbd": PosedRGBD,
    "kitti": KITTIOdometry,
    "kitti_depth": KITTIDepth,
}
DATASETS = {
    "supervised": ("posed_rgbd", "nyuv2", "kitti_depth"),
    "monodepth": tuple(VIDEO),
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
    known_motion: bool = False
    spacing: int = 1
    caps: tuple[float, float] = (0.001, 10.0)
    score_crop: str | None = None
    alignment: str | None = None


def fit(options: Options) -> dict[str, float]:
    """Train; the scores on the validation split."""
    training, checking = teaching(options), scored(options, "val")
    learner = learner_of(options)
    run = start(options, learner.better)
    depths = {"near": options.near, "far": options.far}
    network, described = create(
        options, "depth", options.model, [], depths,
        size=list(options.size), known_motion=options.known_motion,
    )  # fmt: skip
    transform = Moved(options) if options.model == "monodepth" else Augmented(options)
    taught = samples(options, training, transform)
    return train(
        run, learner(network, options), taught, thinned(checking, options.limit),
        described=described, method=f"depth, {options.model}",
    )  # fmt: skip


def validate(options: Options, part: str = "val") -> dict[str, float]:
    """The scores of what `fit` left in the options' folder.

    Args:
        options: those of the run.
        part: split of the data set.
    """
    network, described = trained(options, "depth")
    options = replace(
        options, model=described["model"], size=tuple(described.get("size", options.size)),
        known_motion=described.get("known_motion", options.known_motion),
    )  # fmt: skip
    checking = thinned(scored(options, part), options.limit)
    return measure(options, learner_of(options)(network, options), checking, part)


class Supervised(TaskLearner):
    """Depth that learns from depth.

    Args:
        network: what learns.
        options: of the recipe.
    """

    network: SingleTask | Monodepth
    options: Options
    better = ("abs_rel", "min")

    def __init__(self, network: SingleTask | Monodepth, options: Options):
        super().__init__(network, options)
        moving = options.model == "monodepth" and not options.known_motion
        alignment = options.alignment or ("median" if moving else "none")
        self.errors = DepthErrors(options.caps, alignment, crop=options.score_crop)

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Of logarithms; 0 where nothing is known of a whole batch."""
        images, depth = batch
        task, found = cast(SingleTask, self.network).decoder.task, self.network(images)
        known = task.known(depth).any()
        return {"depth": task.loss(found, depth) if known else 0 * found.sum()}

    def validation_step(self, batch: Any, index: int) -> None:
        """Count a photograph, at the size of its labels; show the first ones."""
        images, depth = batch
        size = depth.shape[-2], depth.shape[-1]
        found = at_size(self.network(images)[:, None], size)[:, 0]
        self.errors.update(found, depth)
        span = depth_span(depth[0]) if self.errors.alignment == "none" else None
        image = at_size(images, size)[0]
        self.show(index, lambda: compared_depth(image, depth[0], found[0], span))

    def on_validation_epoch_end(self) -> None:
        """Errors of the whole split."""
        self.log_dict(self.errors.compute(), prog_bar=True)
        self.errors.reset()


class SelfSupervised(Supervised):
    """Depth that learns from frames and their neighbours, and is scored against measured depth."""

    network: Monodepth

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Photometric, and smoothness."""
        parts = self.network.loss(batch, known_motion=self.options.known_motion)
        return {name: parts[name] for name in ("photometric", "smoothness")}


class Unlabelled(SelfSupervised):
    """The same, scored by the photometric error of frames that did not teach."""

    better = ("photometric", "min")

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        """One frame's."""
        parts = self.network.loss(
            batch, known_motion=self.options.known_motion,
            generator=torch.Generator().manual_seed(index),
        )  # fmt: skip
        self.log("photometric", parts["photometric"], prog_bar=True, batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Nothing is left to count."""


class Augmented:
    """A photograph and its depth, augmented as the options say."""

    def __init__(self, options: Options):
        self.transform = metric_augmentation(
            options.size, crop=options.crop, flip=options.flip, colour=options.colour
        )

    def __call__(self, image: Tensor, depth: Tensor) -> Any:
        """Both as tensors."""
        return plain(self.transform(tv_tensors.Image(image), Depth(depth)))


class Moved:
    """A frame and its neighbours, mirrored together and shown in other colours."""

    def __init__(self, options: Options):
        self.options = options

    def __call__(self, sample: Sample) -> Sample:
        """A sample without depth, which teaches nothing here."""
        sample = {key: value for key, value in sample.items() if key != "depth"}
        if self.options.flip and torch.rand(()) < 0.5:
            sample = mirrored(sample)
        return recoloured(sample, self.options.colour) if self.options.colour else sample


def learner_of(options: Options) -> type[Supervised]:
    """The learner that fits the options' model and data set."""
    if options.model == "supervised":
        return Supervised
    return Unlabelled if options.dataset == "kitti" else SelfSupervised


def teaching(options: Options) -> Dataset:
    """What the training split teaches with: depth, or neighbours.

    Raises:
        ValueError: if the model cannot learn from the data set.
    """
    _check(options)
    if options.model == "supervised":
        return create_labelled(options.dataset, options.data, "train")
    if options.crop is not None:
        raise ValueError(f"crop {options.crop}: model monodepth takes whole frames, choose a size")
    if options.known_motion and options.dataset == "kitti_depth":
        raise ValueError("known_motion true: dataset kitti_depth has no poses")
    return Neighbours(_frames(options, "train"), options.spacing, options.size)


def scored(options: Options, part: str) -> Dataset:
    """A split to score on: photographs at the options' size with depth as measured, or neighbours.

    Raises:
        ValueError: if the model is not scored on the data set.
    """
    _check(options)
    if options.dataset == "kitti":
        return Neighbours(_frames(options, part), options.spacing, options.size)
    part = "test" if (options.dataset, part) == ("nyuv2", "val") else part
    return AtSize(create_labelled(options.dataset, options.data, part), options.size)


def _frames(options: Options, part: str) -> Video:
    return VIDEO[options.dataset](options.data, part)


def _check(options: Options) -> None:
    if options.model not in DATASETS:
        raise ValueError(f"model {options.model!r}: there are {', '.join(DATASETS)}")
    if options.dataset not in DATASETS[options.model]:
        known = ", ".join(DATASETS[options.model])
        raise ValueError(
            f"dataset {options.dataset!r}: for model {options.model} there are {known}"
        )
