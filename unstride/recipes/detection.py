"""Object detection: predicts boxes with classes, and with Mask R-CNN a mask for each.

    unstride fit detection --config pennfudan_mask_rcnn_small --data PENNFUDAN --upsampler carafe

The loss is the sum of the losses of torchvision's detectors, each with weight 1. The scores are
COCO's average precision of boxes and masks, over IoU 0.50 to 0.95 and at 0.50.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Subset

from unstride.datasets.by_name import DETECTION_DATASETS
from unstride.datasets.instances import collate_instances
from unstride.metrics import average_precision
from unstride.recipes.detection_options import Options as Options
from unstride.training.dataset_splits import (
    check_classes,
    check_masks,
    load_dataset,
    scored_images,
    with_objects,
)
from unstride.training.task_learner import TaskLearner
from unstride.training.task_run import (
    create_network,
    load_trained,
    start_run,
    train_network,
    training_samples,
    validate_network,
)
from unstride.transforms.augment import DetectionAugmentation
from unstride.transforms.detection_target import (
    Target,
    refit_boxes,
    without_crowds,
)
from unstride.viz import detection_overlay, image_row

MIN_SHOWN_SCORE = 0.5  # TensorBoard shows predictions from this score on
MASK_THRESHOLD = 0.5  # a pixel belongs to an object from this mask probability on
ADVICE = "set include_empty to train on them all the same"  # where no image has an object


def fit(options: Options) -> dict[str, float]:
    """Train a detector and returns its scores on the validation split.

    Raises:
        ValueError: if no image to train on or to score has an object, or an object has no mask for
            a model that needs masks.
    """
    train_data = load_split(options, "train")
    val_data = load_split(options, "val", train_data.classes)
    for dataset in (train_data, val_data):
        check_masks(dataset, options.model)
    indices: Sequence[int] = range(len(train_data))
    if not options.include_empty:
        indices = with_objects(train_data, indices, ADVICE)
    scored = scored_images(val_data, options.val_limit)
    run = start_run(options, DetectionLearner.monitor)
    sizes = {"min_size": list(options.min_size), "max_size": options.max_size}
    network, config = create_network(
        options, "detection", options.model, train_data.classes, sizes,
        categories=list(train_data.category_ids),
    )  # fmt: skip
    return train_network(
        run,
        DetectionLearner(network, options, options.model, train_data.classes),
        training_samples(options, Subset(train_data, indices), DetectionTransform(options)),
        scored,
        config=config,
        method="detection",
        collate=collate_instances,
    )


def validate(options: Options, split: str = "val") -> dict[str, float]:
    """Score the network that `fit` left in the output folder.

    Args:
        options: options of the run.
        split: split of the data set.
    """
    network, config = load_trained(options, "detection")
    val_data = load_split(options, split, config["classes"])
    check_masks(val_data, config["model"])
    scored = scored_images(val_data, options.val_limit)
    learner = DetectionLearner(network, options, config["model"], config["classes"])
    return validate_network(options, learner, scored, split, collate_instances)


class DetectionLearner(TaskLearner):
    """Trains with the detector's losses and scores by average precision.

    Args:
        network: detector of `create_detector`.
        options: options of the recipe.
        model: name of the detector.
        classes: names of the classes.
    """

    network: nn.Module
    monitor = ("box_ap", "max")
    backbone_path = "backbone.body"

    def __init__(self, network: nn.Module, options: Options, model: str, classes: Sequence[str]):
        super().__init__(network, options)
        self.classes = classes
        self.box_ap, self.mask_ap = average_precision("boxes"), average_precision("masks")
        self.ap_metrics = {"box_ap": self.box_ap}
        if model == "mask_rcnn":
            self.ap_metrics["mask_ap"] = self.mask_ap

    def losses(self, batch: tuple[list[Tensor], list[Target]]) -> dict[str, Tensor]:
        """The losses by the detector's names."""
        images, targets = batch
        return self.network(images, targets)

    def validation_step(self, batch: tuple[list[Tensor], list[Target]], index: int) -> None:
        """Score images, and logs pictures of the first ones."""
        images, targets = batch
        predictions = self.network(images)
        self.log_image(
            index, lambda: detection_picture(images[0], targets[0], predictions[0], self.classes)
        )
        for prediction in predictions:
            if "masks" in prediction:
                prediction["masks"] = prediction["masks"][:, 0] >= MASK_THRESHOLD
        for metric in self.ap_metrics.values():
            metric.update(predictions, targets)

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the whole split, in percent."""
        for name, metric in self.ap_metrics.items():
            scores: dict[str, Any] = metric.compute()
            self.log(name, 100 * scores["map"], prog_bar=True)
            self.log(f"{name}50", 100 * scores["map_50"], prog_bar=True)
            metric.reset()


def detection_picture(
    image: Tensor, target: Target, prediction: Mapping[str, Tensor], classes: Sequence[str]
) -> Float[Tensor, "3 h w"]:
    """Draw the true objects with score 1, and beside them the predictions from score 1/2 on."""
    true = {"boxes": target["boxes"], "labels": target["labels"]}
    true["scores"] = torch.ones(len(true["labels"]))
    if "masks" in prediction:
        true["masks"] = target["masks"][:, None].float()
    is_shown = prediction["scores"] >= MIN_SHOWN_SCORE
    shown = {name: value[is_shown] for name, value in prediction.items()}
    return image_row(
        *(detection_overlay(image, objects, classes).cpu() for objects in (true, shown))
    )


class DetectionTransform:
    """Augments an image and its objects, and removes crowds from the training target."""

    def __init__(self, options: Options):
        self.is_cropped = options.scale_range != (1.0, 1.0)
        self.augmentation = DetectionAugmentation(
            options.scale_range, flip=options.horizontal_flip, colour=options.colour_jitter
        )

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        """Transforms both alike. Without a crop, boxes stay as they are in the file."""
        image, target = self.augmentation(image, target)
        return image, without_crowds(refit_boxes(target) if self.is_cropped else target)


def load_split(options: Options, split: str, classes: Sequence[str] | None = None) -> Any:
    """Load a split of the data set.

    Args:
        options: options of the recipe.
        split: name of the split.
        classes: names of the classes that it must have. Default: any.

    Raises:
        ValueError: if there is no such data set or split, or it has other classes.
    """
    dataset = load_dataset(
        DETECTION_DATASETS, options.dataset, options.data, split, **options.coco_options()
    )
    if classes is not None:
        check_classes(options.data, split, list(dataset.classes), list(classes))
    return dataset
