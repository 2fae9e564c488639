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

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import create_dataset
from unstride.datasets.frame_triplets import FrameTriplets
from unstride.datasets.resized import ResizedDataset
from unstride.recipes.depth_learner import PhotometricDepth, SelfSupervisedDepth, SupervisedDepth
from unstride.recipes.depth_options import VIDEO_DATASETS, VideoDataset
from unstride.recipes.depth_options import Options as Options
from unstride.training.task_run import (
    create_network,
    load_trained,
    start_run,
    train_network,
    training_samples,
    validate_network,
)
from unstride.transforms.augment import colour_jitter
from unstride.transforms.frame_triplets import (
    TripletSample,
    add_augmented_frames,
    flip_triplet,
)
from unstride.transforms.metric_depth import metric_depth_augmentation
from unstride.transforms.pixel_maps import DepthMap
from unstride.transforms.pure_tensors import to_pure_tensors


def fit(options: Options) -> dict[str, float]:
    """Train; the scores on the validation split."""
    training, checking = train_dataset(options), val_dataset(options, "val")
    learner = learner_class(options)
    run = start_run(options, learner.better)
    depths = {"near": options.near, "far": options.far}
    network, described = create_network(
        options, "depth", options.model, [], depths,
        size=list(options.size), known_motion=options.known_motion,
    )  # fmt: skip
    transform = VideoTransform(options) if options.model == "monodepth" else DepthTransform(options)
    taught = training_samples(options, training, transform)
    return train_network(
        run, learner(network, options), taught, evenly_spaced_subset(checking, options.limit),
        described=described, method=f"depth, {options.model}",
    )  # fmt: skip


def validate(options: Options, part: str = "val") -> dict[str, float]:
    """The scores of what `fit` left in the options' folder.

    Args:
        options: those of the run.
        part: split of the data set.
    """
    network, described = load_trained(options, "depth")
    options = replace(
        options, model=described["model"], size=tuple(described.get("size", options.size)),
        known_motion=described.get("known_motion", options.known_motion),
    )  # fmt: skip
    checking = evenly_spaced_subset(val_dataset(options, part), options.limit)
    return validate_network(options, learner_class(options)(network, options), checking, part)


class DepthTransform:
    """A photograph and its depth, augmented as the options say."""

    def __init__(self, options: Options):
        self.transform = metric_depth_augmentation(
            options.size, crop=options.crop, flip=options.flip, recolour=colour_transform(options)
        )

    def __call__(self, image: Tensor, depth: Tensor) -> Any:
        """Both as tensors."""
        return to_pure_tensors(self.transform(tv_tensors.Image(image), DepthMap(depth)))


class VideoTransform:
    """A frame and its neighbours, mirrored together and shown in other colours."""

    def __init__(self, options: Options):
        self.flip, self.recolour = options.flip, colour_transform(options)

    def __call__(self, sample: TripletSample) -> TripletSample:
        """A sample of `FrameTriplets`."""
        if self.flip and torch.rand(()) < 0.5:
            sample = flip_triplet(sample)
        return add_augmented_frames(sample, self.recolour)


def colour_transform(options: Options) -> v2.Transform:
    """What changes the colours of photographs."""
    return colour_jitter(options.colour, hue=options.hue, share=options.colour_share)


def learner_class(options: Options) -> type[SupervisedDepth]:
    """The learner that fits the options' model and data set."""
    if options.model == "supervised":
        return SupervisedDepth
    return PhotometricDepth if options.dataset == "kitti" else SelfSupervisedDepth


def train_dataset(options: Options) -> Dataset:
    """What the training split teaches with: depth, or neighbours.

    Raises:
        ValueError: if the model cannot learn from the data set.
    """
    if options.model == "supervised":
        return create_dataset(options.dataset, options.data, "train")
    if options.crop is not None:
        raise ValueError(f"crop {options.crop}: model monodepth takes whole frames, choose a size")
    if options.known_motion and options.dataset == "kitti_depth":
        raise ValueError("known_motion true: dataset kitti_depth has no poses")
    return FrameTriplets(
        _video_dataset(options, "train"), options.spacing, options.size, depth=False
    )


def val_dataset(options: Options, part: str) -> Dataset:
    """A split to score on: photographs at the options' size with measured depth, or neighbours."""
    if options.dataset == "kitti":
        return FrameTriplets(_video_dataset(options, part), options.spacing, options.size)
    part = "test" if (options.dataset, part) == ("nyuv2", "val") else part
    return ResizedDataset(create_dataset(options.dataset, options.data, part), options.size)


def _video_dataset(options: Options, part: str) -> VideoDataset:
    return VIDEO_DATASETS[options.dataset](options.data, part)
