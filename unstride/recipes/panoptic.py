"""Panoptic segmentation: assigns every pixel to one object or to one region of stuff.

    unstride fit panoptic --config coco_panoptic_fpn_small --data COCO --upsampler carafe

The loss is the sum of the losses in the network's paper (`PanopticFPN`, `PanopticDeepLab`). The
scores are panoptic quality and its two factors, over all classes, things and stuff.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from unstride.datasets.base import evenly_spaced_indices
from unstride.datasets.by_name import PANOPTIC_DATASETS
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.instances import collate_instances
from unstride.formats.segments import Category
from unstride.recipes.panoptic_learner import PanopticLearner, learner_class
from unstride.recipes.panoptic_options import Options as Options
from unstride.training.dataset_splits import (
    check_classes,
    load_dataset,
    scored_images,
    with_objects,
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


def fit(options: Options) -> dict[str, float]:
    """Train a network and returns its scores on the validation split.

    Raises:
        ValueError: if no image to train on or to score has a segment.
    """
    train_data, learner_type = load_split(options, "train"), learner_class(options.model)
    classes = PanopticClasses.from_categories(train_data.categories)
    val_data = load_split(options, "val", classes)
    trained = evenly_spaced_indices(len(train_data), options.train_limit)
    with_objects(train_data, trained, "training needs one")
    scored = scored_images(val_data, options.val_limit)
    run = start_run(options, PanopticLearner.monitor)
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
        scored,
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
    scored = scored_images(val_data, options.val_limit)
    learner = learner_class(config["model"])(network, options, config["classes"])
    return validate_network(options, learner, scored, split, collate_instances)


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
    dataset = load_dataset(
        PANOPTIC_DATASETS, options.dataset, options.data, split, **options.coco_options()
    )
    if classes is not None:
        split_classes = PanopticClasses.from_categories(dataset.categories)
        check_classes(options.data, split, split_classes, classes)
    return dataset
