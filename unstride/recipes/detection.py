"""Object detection: predicts boxes with classes, and with Mask R-CNN a mask for each.

    unstride fit detection --config pennfudan_mask_rcnn_small --data PENNFUDAN --upsampler carafe

The loss is the sum of the losses of torchvision's detectors, each with weight 1. The scores are
COCO's average precision of boxes and masks, over IoU 0.50 to 0.95 and at 0.50.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Subset

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import DETECTION_DATASETS
from unstride.datasets.instances import collate_instances
from unstride.metrics import average_precision
from unstride.training.dataset_splits import check_classes, load_dataset
from unstride.training.options import (
    Fraction,
    PositiveInt,
    PositiveInterval,
    PositiveInts,
    TaskOptions,
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


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train an object detector.

    The upsampler is used in the FPN and in the mask head. The mask head has no guide: an upsampler
    that needs one, such as sapa, is used in the FPN only.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    Args:
        dataset: pennfudan or coco.
        model: faster_rcnn, mask_rcnn, fcos or retinanet.
        min_size: size of an image's shorter side in the network, in pixels. Training draws one of
            them for each image; otherwise the last one is used.
        max_size: maximum size of an image's longer side in the network, in pixels.
        scale_range: minimum and maximum factor by which training images are scaled on a canvas of
            their own size, before min_size applies.
        horizontal_flip: mirror half of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
        include_empty: train on images without objects too.
    """

    dataset: str = "pennfudan"
    model: str = "mask_rcnn"
    min_size: PositiveInts = (800,)
    max_size: PositiveInt = 1333
    scale_range: PositiveInterval = (1.0, 1.0)
    horizontal_flip: bool = True
    colour_jitter: Fraction = 0.0
    include_empty: bool = False


def fit(options: Options) -> dict[str, float]:
    """Train a detector and returns its scores on the validation split."""
    run = start_run(options, DetectionLearner.monitor)
    train_data = load_split(options, "train")
    val_data = load_split(options, "val", train_data.classes)
    sizes = {"min_size": list(options.min_size), "max_size": options.max_size}
    network, config = create_network(
        options, "detection", options.model, train_data.classes, sizes,
        categories=list(train_data.category_ids),
    )  # fmt: skip
    indices = range(len(train_data)) if options.include_empty else train_data.indices_with_objects()
    return train_network(
        run,
        DetectionLearner(network, options, options.model, train_data.classes),
        training_samples(options, Subset(train_data, indices), DetectionTransform(options)),
        evenly_spaced_subset(val_data, options.val_limit),
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
    learner = DetectionLearner(network, options, config["model"], config["classes"])
    subset = evenly_spaced_subset(val_data, options.val_limit)
    return validate_network(options, learner, subset, split, collate_instances)


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
    dataset = load_dataset(DETECTION_DATASETS, options.dataset, options.data, split)
    if classes is not None:
        check_classes(options.data, split, list(dataset.classes), list(classes))
    return dataset
