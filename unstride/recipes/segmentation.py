"""Semantic segmentation: predicts a class for every pixel.

    unstride fit segmentation --config camvid_semantic_fpn_small --data CAMVID --upsampler carafe

The loss is the cross entropy of each pixel's logits, plus 0.4 times that of auxiliary logits if the
network has them. The learning rate falls as (1 - t)^0.9 (Chen et al., "DeepLab", TPAMI 2018,
arXiv:1606.00915, section 4.3.1). The scores are the mean IoU over the whole set, and that of pixels
near boundaries.
"""

from torch import Tensor
from torchvision import tv_tensors

from unstride.datasets.base import SegmentationDataset, evenly_spaced_subset
from unstride.datasets.by_name import SEGMENTATION_DATASETS
from unstride.losses.supervised import pixel_cross_entropy
from unstride.metrics import BoundaryIoU, mean_iou
from unstride.models.segmentation.corrected import CorrectedSegmenter
from unstride.models.segmentation.segmenter import Segmenter
from unstride.recipes.segmentation_options import Options as Options
from unstride.training.dataset_splits import check_classes, load_dataset
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
from unstride.transforms.sample_transform import SampleTransform
from unstride.viz import segmentation_comparison

AUXILIARY_WEIGHT = 0.4  # weight of the auxiliary logits' loss
SHARED_ATTENTION_WEIGHT = 0.1  # weight of the squared error of the image that it regenerates


def fit(options: Options) -> dict[str, float]:
    """Train a network and returns its scores on the validation split."""
    train_data, val_data = load_split(options, "train"), load_split(options, "val")
    run = start_run(options, SegmentationLearner.monitor)
    network, config = create_network(options, "segmentation", options.model, train_data.classes)
    return train_network(
        run,
        SegmentationLearner(network, options, list(train_data.classes)),
        training_samples(options, train_data, create_transform(options)),
        evenly_spaced_subset(val_data, options.val_limit),
        config=config,
        method="semantic segmentation",
    )


def validate(options: Options, split: str = "val") -> dict[str, float]:
    """Score the network that `fit` left in the output folder.

    Args:
        options: options of the run.
        split: split of the data set.

    Raises:
        ValueError: if the data set has other classes than the network.
    """
    network, config = load_trained(options, "segmentation")
    val_data = load_split(options, split)
    check_classes(options.data, split, list(val_data.classes), config["classes"])
    learner = SegmentationLearner(network, options, config["classes"])
    subset = evenly_spaced_subset(val_data, options.val_limit)
    return validate_network(options, learner, subset, split)


class SegmentationLearner(TaskLearner):
    """Trains with cross entropy and scores by intersection over union.

    Args:
        network: the network to train.
        options: options of the recipe.
        classes: names of the classes.
    """

    network: Segmenter | CorrectedSegmenter
    monitor = ("miou", "max")

    def __init__(
        self, network: Segmenter | CorrectedSegmenter, options: Options, classes: list[str]
    ):
        super().__init__(network, options)
        self.classes = classes
        self.miou, self.boundary_miou = mean_iou(len(classes)), BoundaryIoU(len(classes))

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The losses of the logits and of auxiliary logits."""
        images, labels = batch
        losses: dict[str, Tensor] = {}
        if isinstance(self.network, CorrectedSegmenter):
            (logits, auxiliary), error = self.network.training_pass(images)
            losses["shared_attention"] = SHARED_ATTENTION_WEIGHT * error
        else:
            logits, auxiliary = self.network.forward_with_auxiliary(images)
        losses["classes"] = pixel_cross_entropy(logits, labels)
        if auxiliary is not None:
            losses["auxiliary"] = AUXILIARY_WEIGHT * pixel_cross_entropy(auxiliary, labels)
        return losses | self.regeneration_loss(images, {"classes": logits}, self.predictions)

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """The logits, by kind."""
        return {"classes": self.network(images)}

    def prediction_channels(self) -> dict[str, int]:
        """One logit per class."""
        return {"classes": len(self.classes)}

    def class_names(self) -> list[str]:
        """Names of the classes."""
        return self.classes

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Score an image, and logs pictures of the first ones."""
        images, labels = batch
        prediction = self.network(images).argmax(1)
        self.miou.update(prediction, labels)
        self.boundary_miou.update(prediction, labels)

        def picture() -> Tensor:
            image, target = images[0].float().cpu(), labels[0].cpu()
            return segmentation_comparison(image, target, prediction[0].cpu(), self.classes)

        self.log_image(index, picture)

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the whole split, in percent."""
        for name, metric in (("miou", self.miou), ("boundary_miou", self.boundary_miou)):
            self.log(name, 100 * metric.compute(), prog_bar=True)
            metric.reset()


def create_transform(options: Options) -> SampleTransform:
    """Create the augmentation of training samples (image, labels)."""
    augmentation = scale_crop_augmentation(
        options.crop_size, scales=options.scale_range, base_size=options.base_size,
        colour=options.colour_jitter,
    )  # fmt: skip
    return SampleTransform(augmentation, tv_tensors.Mask)


def load_split(options: Options, split: str) -> SegmentationDataset:
    """Load a split of the data set.

    Raises:
        ValueError: if there is no such data set or split.
    """
    return load_dataset(
        SEGMENTATION_DATASETS, options.dataset, options.data, split, **options.split_options()
    )
