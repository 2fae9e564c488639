"""Semantic segmentation: a class for every pixel.

    unstride fit segmentation --config camvid_semantic_fpn_small --data CAMVID --upsampler carafe

Cross entropy of each pixel's logits, and 0.4 times that of auxiliary ones where the network has
them; the rate falls as (1 - t)^0.9 (Chen et al., "DeepLab", TPAMI 2018, arXiv:1606.00915, section
4.3.1). Scored is the mean IoU over the whole set, and that of pixels near boundaries.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torchvision import tv_tensors

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import SEGMENTATION_DATASETS, create_dataset
from unstride.losses.supervised import pixel_cross_entropy
from unstride.metrics import BoundaryIoU, mean_iou
from unstride.models.segmentation.segmenter import Segmenter
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
from unstride.transforms.augment import scale_crop_augmentation
from unstride.transforms.pure_tensors import to_pure_tensors
from unstride.viz import segmentation_comparison

AUXILIARY_WEIGHT = 0.4  # weight of the rough logits' loss


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a network for semantic segmentation.

    Writes OUT/model, a folder for `unstride predict`; OUT/card.json (what was done, and the scores
    on the validation split) and OUT/last.ckpt; a run that was stopped goes on from there, to the
    same curve. TensorBoard shows progress, and pictures of validation photographs, in OUT.

    Args:
        dataset: one of camvid, cityscapes, ade20k, coco_stuff, coco_stuff27, voc.
        model: semantic_fpn, upernet or hrnet_ocr.
        crop: rows and columns of a training crop, in pixels.
        base: sides of a frame in which a photograph just fits before it is scaled, be it upright or
            across; by default those of the crop.
        scales: least and greatest factor by which photographs are resized.
        colour: how much brightness, contrast and saturation change, 0 to 1.
    """

    dataset: str = "camvid"
    model: str = "semantic_fpn"
    crop: tuple[int, int] = (360, 480)
    base: tuple[int, int] | None = None
    scales: tuple[float, float] = (0.5, 2.0)
    colour: float = 0.3


def fit(options: Options) -> dict[str, float]:
    """Train; the scores on the validation split."""
    run = start_run(options, SegmentationLearner.better)
    training, checking = load_split(options, "train"), load_split(options, "val")
    network, described = create_network(options, "segmentation", options.model, training.classes)
    taught = training_samples(options, training, SegmentationTransform(options))
    learner = SegmentationLearner(network, options, list(training.classes))
    return train_network(
        run, learner, taught, evenly_spaced_subset(checking, options.limit),
        described=described, method="semantic segmentation",
    )  # fmt: skip


def validate(options: Options, part: str = "val") -> dict[str, float]:
    """The scores of what `fit` left in the options' folder.

    Args:
        options: those of the run.
        part: split of the data set.
    """
    network, described = load_trained(options, "segmentation")
    checking = load_split(options, part)
    if list(checking.classes) != described["classes"]:
        raise ValueError(f"{options.data}: other classes than those that were trained")
    learner = SegmentationLearner(network, options, described["classes"])
    return validate_network(options, learner, evenly_spaced_subset(checking, options.limit), part)


class SegmentationLearner(TaskLearner):
    """Logits, cross entropy, and intersections over unions.

    Args:
        network: what learns.
        options: of the recipe.
        classes: their names.
    """

    network: Segmenter
    better = ("miou", "max")

    def __init__(self, network: Segmenter, options: Options, classes: list[str]):
        super().__init__(network, options)
        self.classes = classes
        self.area, self.boundary = mean_iou(len(classes)), BoundaryIoU(len(classes))

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Of the logits, and of auxiliary ones."""
        images, labels = batch
        logits, auxiliary = self.network.predictions(images)
        losses = {"classes": pixel_cross_entropy(logits, labels)}
        if auxiliary is not None:
            rough = pixel_cross_entropy(auxiliary, labels)
            losses["auxiliary"] = AUXILIARY_WEIGHT * rough
        return losses

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Count a photograph; show the first ones."""
        images, labels = batch
        found = self.network(images).argmax(1)
        self.area.update(found, labels)
        self.boundary.update(found, labels)

        def drawn() -> Tensor:
            image = images[0].float().cpu()
            return segmentation_comparison(image, labels[0].cpu(), found[0].cpu(), self.classes)

        self.show(index, drawn)

    def on_validation_epoch_end(self) -> None:
        """Scores of the whole split, in percent."""
        for name, metric in (("miou", self.area), ("boundary_miou", self.boundary)):
            self.log(name, 100 * metric.compute(), prog_bar=True)
            metric.reset()


class SegmentationTransform:
    """A photograph and its classes, augmented as the options say."""

    def __init__(self, options: Options):
        self.transform = scale_crop_augmentation(
            options.crop, scales=options.scales, base=options.base, colour=options.colour
        )

    def __call__(self, image: Tensor, labels: Tensor) -> Any:
        """Both as tensors."""
        return to_pure_tensors(self.transform(tv_tensors.Image(image), tv_tensors.Mask(labels)))


def load_split(options: Options, part: str):
    """A split of the options' data set.

    Raises:
        ValueError: if its labels are no classes.
    """
    if options.dataset not in SEGMENTATION_DATASETS:
        raise ValueError(
            f"dataset {options.dataset!r}: there are {', '.join(SEGMENTATION_DATASETS)}"
        )
    return create_dataset(options.dataset, options.data, part)
