"""Panoptic segmentation: every pixel belongs to one object or to one patch of stuff.

    unstride fit panoptic --config coco_panoptic_fpn_small --data COCO --upsampler carafe

The sum of the losses that the network's paper has (`PanopticFPN`, `PanopticDeepLab`). Scored is
panoptic quality and its two factors, of all classes, of things and of stuff.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.instances import collate_instances
from unstride.recipes.panoptic_learner import PanopticLearner, learner_class
from unstride.training.options import TaskOptions
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

DATASETS = {"coco_panoptic": COCOPanoptic}


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a panoptic network.

    Writes OUT/model, a folder for `unstride predict`; OUT/card.json (what was done, and the scores
    on the validation split) and OUT/last.ckpt; a run that was stopped goes on from there, to the
    same curve. TensorBoard shows progress in OUT.

    The upsampler goes to every place of the network, but for the mask head of panoptic_fpn if it
    needs a guide, as sapa does.

    Args:
        dataset: coco_panoptic.
        model: panoptic_fpn or panoptic_deeplab.
        min_size: of a photograph's shorter side in panoptic_fpn, in pixels; in training each
            photograph draws one of them, else it is the last.
        max_size: of its longer side at most, in pixels.
        crop: rows and columns of a training crop of panoptic_deeplab, in pixels.
        scales: least and greatest factor by which photographs are resized: panoptic_fpn on a canvas
            of their own size, before `min_size`; panoptic_deeplab against just fitting the crop.
        flip: mirror half of the photographs.
        colour: how much brightness, contrast and saturation change, 0 to 1.
    """

    dataset: str = "coco_panoptic"
    model: str = "panoptic_fpn"
    min_size: tuple[int, ...] = (800,)
    max_size: int = 1333
    crop: tuple[int, int] = (512, 512)
    scales: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    colour: float = 0.0


def fit(options: Options) -> dict[str, float]:
    """Train; the scores on the validation split."""
    run = start_run(options, PanopticLearner.better)
    training, kind = load_split(options, "train"), learner_class(options.model)
    classes = PanopticClasses.of(training.categories)
    checking = load_split(options, "val", classes)
    sizes = {"min_size": list(options.min_size), "max_size": options.max_size}
    named = {category.id: category.name for category in training.categories}
    names = [named[number] for number in (*classes.things, *classes.stuff)]
    inside: dict[str, Any] = {"things": list(classes.things), "stuff": list(classes.stuff)}
    inside |= {} if kind.one_size else sizes
    network, described = create_network(options, "panoptic", options.model, names, inside)
    taught = training_samples(options, training, PanopticTransform(options, classes, kind))
    return train_network(
        run, kind(network, options, names), taught, evenly_spaced_subset(checking, options.limit),
        described=described, method="panoptic segmentation", collate=collate_instances,
    )  # fmt: skip


def validate(options: Options, part: str = "val") -> dict[str, float]:
    """The scores of what `fit` left in the options' folder.

    Args:
        options: those of the run.
        part: split of the data set.
    """
    network, described = load_trained(options, "panoptic")
    checking = evenly_spaced_subset(load_split(options, part, network.classes), options.limit)
    scored = learner_class(described["model"])(network, options, described["classes"])
    return validate_network(options, scored, checking, part, collate_instances)


class PanopticTransform:
    """A photograph, augmented as the options say, and what is learned of its segments.

    Args:
        options: of the recipe.
        classes: of the data set.
        kind: of the learner.
    """

    def __init__(self, options: Options, classes: PanopticClasses, kind: type[PanopticLearner]):
        self.classes, self.learned = classes, kind.learned
        canvas = options.crop if kind.one_size else None
        self.transform = DetectionAugmentation(
            options.scales, canvas, flip=options.flip, colour=options.colour
        )

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        """Both."""
        image, target = self.transform(image, target)
        return image, self.learned(target, self.classes)


def load_split(options: Options, part: str, classes: PanopticClasses | None = None) -> COCOPanoptic:
    """A split of the options' data set.

    Args:
        options: of the recipe.
        part: of the data set.
        classes: that it must have.

    Raises:
        ValueError: if it has no segments with classes, or other classes.
    """
    if options.dataset not in DATASETS:
        raise ValueError(f"dataset {options.dataset!r}: there are {', '.join(DATASETS)}")
    dataset = DATASETS[options.dataset](options.data, part)
    if classes is not None and PanopticClasses.of(dataset.categories) != classes:
        raise ValueError(f"{options.data}: other classes in {part} than those that were trained")
    return dataset
