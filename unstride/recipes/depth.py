"""Depth in metres from one image, learned from measured depth or from video alone.

    unstride fit depth --config redkitchen_depth_small --data KITCHEN --upsampler carafe
    unstride fit depth --config redkitchen_monodepth_small --data KITCHEN

`supervised` learns from measured depth with the scale-invariant logarithmic error (Eigen et al.,
arXiv:1406.2283; the variance focus is that of BTS, arXiv:1907.10326). `monodepth` learns from
frames and their neighbours, by predicting one from the other with depth and motion (Godard et al.,
arXiv:1806.01260). The motion comes from the camera's true poses or from a pose network. Images are
resized as a whole, cropped and mirrored, but never zoomed: zooming would make the depth wrong.
"""

from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2

from unstride.datasets.base import DepthDataset, evenly_spaced_subset
from unstride.datasets.by_name import DEPTH_DATASETS, VIDEO_DATASETS
from unstride.datasets.frame_triplets import FrameTriplets, VideoDataset
from unstride.datasets.resized import ResizedDataset
from unstride.recipes.depth_learner import PhotometricDepth, SelfSupervisedDepth, SupervisedDepth
from unstride.recipes.depth_options import Options as Options
from unstride.training.dataset_splits import load_dataset, scored_split
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
from unstride.transforms.sample_transform import SampleTransform


def fit(options: Options) -> dict[str, float]:
    """Train a network and returns its scores on the validation split."""
    train_data, val_data = train_dataset(options), val_dataset(options, "val")
    learner = learner_class(options)
    run = start_run(options, learner.monitor)
    network, config = create_network(
        options, "depth", options.model, [], {"near": options.near, "far": options.far},
        size=list(options.size), known_motion=options.known_poses,
    )  # fmt: skip
    return train_network(
        run,
        learner(network, options),
        training_samples(options, train_data, create_transform(options)),
        evenly_spaced_subset(val_data, options.val_limit),
        config=config,
        method=f"depth, {options.model}",
    )


def validate(options: Options, split: str = "val") -> dict[str, float]:
    """Score the network that `fit` left in the output folder.

    Args:
        options: options of the run.
        split: split of the data set.
    """
    network, config = load_trained(options, "depth")
    options = replace(
        options, model=config["model"], size=tuple(config.get("size", options.size)),
        known_poses=config.get("known_motion", options.known_poses),
    )  # fmt: skip
    val_data = evenly_spaced_subset(val_dataset(options, split), options.val_limit)
    return validate_network(options, learner_class(options)(network, options), val_data, split)


def create_transform(options: Options) -> Any:
    """Create the augmentation of training samples: (image, depth), or frame triplets."""
    if options.model == "monodepth":
        return TripletTransform(options)
    augmentation = metric_depth_augmentation(
        options.size, crop_size=options.crop_size, flip=options.horizontal_flip,
        colour_transform=colour_transform(options),
    )  # fmt: skip
    return SampleTransform(augmentation, DepthMap)


class TripletTransform:
    """Mirrors a frame together with its neighbours, and adds them with changed colours."""

    def __init__(self, options: Options):
        self.horizontal_flip = options.horizontal_flip
        self.colour_transform = colour_transform(options)

    def __call__(self, sample: TripletSample) -> TripletSample:
        """Augments a sample of `FrameTriplets`."""
        if self.horizontal_flip and torch.rand(()) < 0.5:
            sample = flip_triplet(sample)
        return add_augmented_frames(sample, self.colour_transform)


def colour_transform(options: Options) -> v2.Transform:
    """Create the random change of colours."""
    return colour_jitter(
        options.colour_jitter, hue=options.hue_jitter, probability=options.colour_jitter_probability
    )


def learner_class(options: Options) -> type[SupervisedDepth]:
    """The learner for the model and the data set."""
    if options.model == "supervised":
        return SupervisedDepth
    return PhotometricDepth if options.dataset == "kitti" else SelfSupervisedDepth


def train_dataset(options: Options) -> Dataset:
    """Load the training split: images with depth, or frames with their neighbours.

    Raises:
        ValueError: if the model cannot learn from the data set.
    """
    if options.model == "supervised":
        return depth_dataset(options, "train")
    if options.crop_size is not None:
        raise ValueError(
            f"crop_size must not be set for model monodepth, which uses whole frames; set size, "
            f"got {options.crop_size}"
        )
    if options.known_poses and options.dataset == "kitti_depth":
        raise ValueError("known_poses must be false for dataset kitti_depth, which has no poses")
    frames = video_dataset(options, "train")
    return FrameTriplets(frames, options.frame_interval, options.size, with_depth=False)


def val_dataset(options: Options, split: str) -> Dataset:
    """Load a split to score: images at the size of the options, with depth or neighbours."""
    if options.dataset == "kitti":
        frames = video_dataset(options, split)
        return FrameTriplets(frames, options.frame_interval, options.size)
    split = scored_split(options.dataset, split)
    return ResizedDataset(depth_dataset(options, split), options.size)


def depth_dataset(options: Options, split: str) -> DepthDataset:
    """Load the images of a split with their measured depth.

    Raises:
        ValueError: if there is no such split, or an option is not one of the data set.
    """
    return load_dataset(
        DEPTH_DATASETS, options.dataset, options.data, split,
        metres_per_step=options.metres_per_step, **options.split_options(),
    )  # fmt: skip


def video_dataset(options: Options, split: str) -> VideoDataset:
    """Load the frames of a split."""
    return VIDEO_DATASETS[options.dataset](options.data, split)
