"""Objects: boxes with classes, and a mask for each where the model is Mask R-CNN.

    unstride fit detection --config pennfudan_mask_rcnn_small --data PENNFUDAN --upsampler carafe

The sum of the losses of torchvision's detectors, all of weight 1. Scored is COCO's average
precision, of boxes and of masks, over IoU 0.50 to 0.95 and at 0.50.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Subset

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.coco_detection import COCODetection
from unstride.datasets.instances import collate_instances
from unstride.datasets.pennfudan import PennFudan
from unstride.metrics import average_precision
from unstride.training.options import TaskOptions
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

MIN_SHOWN_SCORE = 0.5  # score from which TensorBoard shows an object
DATASETS: dict[str, type[PennFudan] | type[COCODetection]] = {
    "pennfudan": PennFudan,
    "coco": COCODetection,
}


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a detector.

    Writes OUT/model, a folder for `unstride predict`; OUT/card.json (what was done, and the scores
    on the validation split) and OUT/last.ckpt; a run that was stopped goes on from there, to the
    same curve. TensorBoard shows progress in OUT.

    The upsampler goes to the FPN and to the mask head. There is no guide in the mask head: an
    upsampler that needs one, such as sapa, goes to the FPN alone.

    Args:
        dataset: pennfudan or coco.
        model: faster_rcnn, mask_rcnn, fcos or retinanet.
        min_size: of a photograph's shorter side in the network, in pixels; in training each
            photograph draws one of them, else it is the last.
        max_size: of its longer side at most, in pixels.
        scales: least and greatest factor by which photographs are resized, on a canvas of their own
            size, before that.
        flip: mirror half of the photographs.
        colour: how much brightness, contrast and saturation change, 0 to 1.
        empty: learn from photographs without objects too.
    """

    dataset: str = "pennfudan"
    model: str = "mask_rcnn"
    min_size: tuple[int, ...] = (800,)
    max_size: int = 1333
    scales: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    colour: float = 0.0
    empty: bool = False


def fit(options: Options) -> dict[str, float]:
    """Train; the scores on the validation split."""
    run = start_run(options, DetectionLearner.better)
    training = load_split(options, "train")
    checking = load_split(options, "val", training.classes)
    sizes = {"min_size": list(options.min_size), "max_size": options.max_size}
    network, described = create_network(
        options, "detection", options.model, training.classes, sizes,
        categories=list(training.categories),
    )  # fmt: skip
    some = training if options.empty else Subset(training, training.occupied())
    taught = training_samples(options, some, DetectionTransform(options))
    learner = DetectionLearner(network, options, options.model, training.classes)
    return train_network(
        run, learner, taught, evenly_spaced_subset(checking, options.limit),
        described=described, method="detection", collate=collate_instances,
    )  # fmt: skip


def validate(options: Options, part: str = "val") -> dict[str, float]:
    """The scores of what `fit` left in the options' folder.

    Args:
        options: those of the run.
        part: split of the data set.
    """
    network, described = load_trained(options, "detection")
    checking = evenly_spaced_subset(load_split(options, part, described["classes"]), options.limit)
    learner = DetectionLearner(network, options, described["model"], described["classes"])
    return validate_network(options, learner, checking, part, collate_instances)


class DetectionLearner(TaskLearner):
    """The losses of a detector, and average precision.

    Args:
        network: of `create_detector`.
        options: of the recipe.
        model: the detector's name.
        classes: of objects, by name.
    """

    network: nn.Module
    better = ("box_ap", "max")
    trunk = "backbone.body"

    def __init__(self, network: nn.Module, options: Options, model: str, classes: Sequence[str]):
        super().__init__(network, options)
        self.classes = classes
        self.boxes, self.masks = average_precision("boxes"), average_precision("masks")
        self.precision = {"box": self.boxes}
        if model == "mask_rcnn":
            self.precision["mask"] = self.masks

    def losses(self, batch: tuple[list[Tensor], list[Target]]) -> dict[str, Tensor]:
        """As the detector names them."""
        images, targets = batch
        return self.network(images, targets)

    def validation_step(self, batch: tuple[list[Tensor], list[Target]], index: int) -> None:
        """Count photographs; show the first ones."""
        images, targets = batch
        found = self.network(images)
        self.show(index, lambda: detection_picture(images[0], targets[0], found[0], self.classes))
        for one in found:
            if "masks" in one:
                one["masks"] = one["masks"][:, 0] >= 0.5
        for metric in self.precision.values():
            metric.update(found, targets)

    def on_validation_epoch_end(self) -> None:
        """Scores of the whole split, in percent."""
        for name, metric in self.precision.items():
            scores: dict[str, Any] = metric.compute()
            self.log(f"{name}_ap", 100 * scores["map"], prog_bar=True)
            self.log(f"{name}_ap50", 100 * scores["map_50"], prog_bar=True)
            metric.reset()


def detection_picture(
    image: Tensor, target: Target, found: Mapping[str, Tensor], classes: Sequence[str]
) -> Float[Tensor, "3 h w"]:
    """A photograph's objects as they are, with scores of 1, and as found with scores from 1/2."""
    true = {"boxes": target["boxes"], "labels": target["labels"]}
    true["scores"] = torch.ones(len(true["labels"]))
    if "masks" in found:
        true["masks"] = target["masks"][:, None].float()
    good = found["scores"] >= MIN_SHOWN_SCORE
    sure = {name: value[good] for name, value in found.items()}
    return image_row(*(detection_overlay(image, each, classes).cpu() for each in (true, sure)))


class DetectionTransform:
    """A photograph and its objects, augmented as the options say, without crowds."""

    def __init__(self, options: Options):
        self.cut = options.scales != (1.0, 1.0)
        self.transform = DetectionAugmentation(
            options.scales, flip=options.flip, colour=options.colour
        )

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        """Both; a photograph that is not cut keeps its boxes as the file has them."""
        image, target = self.transform(image, target)
        return image, without_crowds(refit_boxes(target) if self.cut else target)


def load_split(options: Options, part: str, classes: Sequence[str] | None = None):
    """A split of the options' data set.

    Args:
        options: of the recipe.
        part: of the data set.
        classes: that it must have.

    Raises:
        ValueError: if it has no objects, or other classes.
    """
    if options.dataset not in DATASETS:
        raise ValueError(f"dataset {options.dataset!r}: there are {', '.join(DATASETS)}")
    dataset = DATASETS[options.dataset](options.data, part)
    if classes is not None and list(dataset.classes) != list(classes):
        raise ValueError(f"{options.data}: other classes in {part} than those that were trained")
    return dataset
