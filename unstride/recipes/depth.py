"""Depth of a photograph, in metres: learned from depth, or from video alone.

    unstride fit depth --config kitchen_depth_small --data KITCHEN --upsampler carafe
    unstride fit depth --config kitchen_monodepth_small --data KITCHEN

`supervised` learns from measured depth by the scale-invariant error of logarithms (Eigen et al.,
arXiv:1406.2283; the share is that of BTS, arXiv:1907.10326); `monodepth` from frames and their
neighbours by what depth and motion predict (Godard et al., arXiv:1806.01260), with the camera's
true poses or a pose network. Photographs are resized as a whole, cropped and mirrored, never
zoomed: that would make depth wrong.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from unstride.datasets.base import subset
from unstride.datasets.by_name import create_labelled
from unstride.datasets.frame_triplets import Neighbours
from unstride.datasets.resized import AtSize
from unstride.recipes.depth_learner import SelfSupervised, Supervised, Unlabelled
from unstride.recipes.depth_options import VIDEO, Video
from unstride.recipes.depth_options import Options as Options
from unstride.training.task_run import create, measure, samples, start, train, trained
from unstride.transforms.augment import colour_jitter
from unstride.transforms.frame_triplets import (
    Sample,
    mirrored,
    recoloured,
)
from unstride.transforms.metric_depth import metric_augmentation
from unstride.transforms.pixel_maps import Depth
from unstride.transforms.pure_tensors import plain


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
        run, learner(network, options), taught, subset(checking, options.limit),
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
    checking = subset(scored(options, part), options.limit)
    return measure(options, learner_of(options)(network, options), checking, part)


class Augmented:
    """A photograph and its depth, augmented as the options say."""

    def __init__(self, options: Options):
        self.transform = metric_augmentation(
            options.size, crop=options.crop, flip=options.flip, recolour=recolour(options)
        )

    def __call__(self, image: Tensor, depth: Tensor) -> Any:
        """Both as tensors."""
        return plain(self.transform(tv_tensors.Image(image), Depth(depth)))


class Moved:
    """A frame and its neighbours, mirrored together and shown in other colours."""

    def __init__(self, options: Options):
        self.flip, self.recolour = options.flip, recolour(options)

    def __call__(self, sample: Sample) -> Sample:
        """A sample of `Neighbours`."""
        if self.flip and torch.rand(()) < 0.5:
            sample = mirrored(sample)
        return recoloured(sample, self.recolour)


def recolour(options: Options) -> v2.Transform:
    """What changes the colours of photographs."""
    return colour_jitter(options.colour, hue=options.hue, share=options.colour_share)


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
    if options.model == "supervised":
        return create_labelled(options.dataset, options.data, "train")
    if options.crop is not None:
        raise ValueError(f"crop {options.crop}: model monodepth takes whole frames, choose a size")
    if options.known_motion and options.dataset == "kitti_depth":
        raise ValueError("known_motion true: dataset kitti_depth has no poses")
    return Neighbours(_frames(options, "train"), options.spacing, options.size, depth=False)


def scored(options: Options, part: str) -> Dataset:
    """A split to score on: photographs at the options' size with measured depth, or neighbours."""
    if options.dataset == "kitti":
        return Neighbours(_frames(options, part), options.spacing, options.size)
    part = "test" if (options.dataset, part) == ("nyuv2", "val") else part
    return AtSize(create_labelled(options.dataset, options.data, part), options.size)


def _frames(options: Options, part: str) -> Video:
    return VIDEO[options.dataset](options.data, part)
