"""Panoptic segmentation: assigns every pixel to one object or to one region of stuff.

    unstride fit panoptic --config coco_panoptic_fpn_small --data COCO --upsampler carafe

The loss is the sum of the losses in the network's paper (`PanopticFPN`, `PanopticDeepLab`). The
scores are panoptic quality and its two factors, over all classes, things and stuff.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import PANOPTIC_DATASETS
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.instances import collate_instances
from unstride.formats.segments import Category
from unstride.recipes.panoptic_learner import PanopticLearner, learner_class
from unstride.training.dataset_splits import check_classes, load_dataset
from unstride.training.options import (
    Fraction,
    PixelSize,
    PositiveInt,
    PositiveInterval,
    PositiveInts,
    TaskOptions,
)
from unstride.training.task_run import (
    create_network,
    load_trained,
    start_run,
    train_network,
    training_samples,
    validate_network,
)
from unstride.transforms.augment import DetectionAugmentation
from unstride.transforms.detection_target import Target
from unstride.transforms.panoptic_targets import PanopticClasses


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a panoptic network.

    The upsampler is used at every place of the network, except in the mask head of panoptic_fpn if
    it needs a guide, as sapa does.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    Args:
        dataset: coco_panoptic.
        model: panoptic_fpn or panoptic_deeplab.
        min_size: size of an image's shorter side in panoptic_fpn, in pixels. Training draws one of
            them for each image; otherwise the last one is used.
        max_size: maximum size of an image's longer side in panoptic_fpn, in pixels.
        crop_size: height and width of training crops of panoptic_deeplab, in pixels.
        scale_range: minimum and maximum factor by which training images are scaled. panoptic_fpn:
            on a canvas of their own size, before min_size applies. panoptic_deeplab: relative to
            just fitting into the crop.
        horizontal_flip: mirror half of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
    """

    dataset: str = "coco_panoptic"
    model: str = "panoptic_fpn"
    min_size: PositiveInts = (800,)
    max_size: PositiveInt = 1333
    crop_size: PixelSize = (512, 512)
    scale_range: PositiveInterval = (1.0, 1.0)
    horizontal_flip: bool = True
    colour_jitter: Fraction = 0.0


def fit(options: Options) -> dict[str, float]:
    """Train a network and returns its scores on the validation split."""
    run = start_run(options, PanopticLearner.monitor)
    train_data, learner_type = load_split(options, "train"), learner_class(options.model)
    classes = PanopticClasses.from_categories(train_data.categories)
    val_data = load_split(options, "val", classes)
    names = class_names(classes, train_data.categories)
    network_options: dict[str, Any] = {
        "things": list(classes.things), "stuff": list(classes.stuff),
    }  # fmt: skip
    if not learner_type.has_fixed_size:
        network_options |= {"min_size": list(options.min_size), "max_size": options.max_size}
    network, config = create_network(options, "panoptic", options.model, names, network_options)
    transform = PanopticTransform(options, classes, learner_type)
    return train_network(
        run,
        learner_type(network, options, names),
        training_samples(options, train_data, transform),
        evenly_spaced_subset(val_data, options.val_limit),
        config=config,
        method="panoptic segmentation",
        collate=collate_instances,
    )


def validate(options: Options, split: str = "val") -> dict[str, float]:
    """Score the network that `fit` left in the output folder.

    Args:
        options: options of the run.
        split: split of the data set.
    """
    network, config = load_trained(options, "panoptic")
    val_data = load_split(options, split, network.classes)
    learner = learner_class(config["model"])(network, options, config["classes"])
    subset = evenly_spaced_subset(val_data, options.val_limit)
    return validate_network(options, learner, subset, split, collate_instances)


class PanopticTransform:
    """Augments an image and its segments, and makes the network's training target of them.

    Args:
        options: options of the recipe.
        classes: classes of the data set.
        learner_type: class of the learner.
    """

    def __init__(
        self, options: Options, classes: PanopticClasses, learner_type: type[PanopticLearner]
    ):
        self.classes, self.make_target = classes, learner_type.training_target
        canvas = options.crop_size if learner_type.has_fixed_size else None
        self.augmentation = DetectionAugmentation(
            options.scale_range, canvas, flip=options.horizontal_flip, colour=options.colour_jitter
        )

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        """Return the augmented image and the training target."""
        image, target = self.augmentation(image, target)
        return image, self.make_target(target, self.classes)


def class_names(classes: PanopticClasses, categories: Sequence[Category]) -> list[str]:
    """The names of the classes, things first."""
    names = {category.id: category.name for category in categories}
    return [names[category_id] for category_id in (*classes.things, *classes.stuff)]


def load_split(
    options: Options, split: str, classes: PanopticClasses | None = None
) -> COCOPanoptic:
    """Load a split of the data set.

    Args:
        options: options of the recipe.
        split: name of the split.
        classes: classes that it must have. Default: any.

    Raises:
        ValueError: if there is no such data set or split, or it has other classes.
    """
    dataset = load_dataset(PANOPTIC_DATASETS, options.dataset, options.data, split)
    if classes is not None:
        split_classes = PanopticClasses.from_categories(dataset.categories)
        check_classes(options.data, split, split_classes, classes)
    return dataset
