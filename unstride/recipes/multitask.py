"""Several tasks on one backbone: classes, depth in metres, and surface normals.

    unstride fit multitask --config redkitchen_multitask_small --data KITCHEN --upsampler carafe

Each task has its own decoder and loss. The weights of the losses are learned (Kendall, Gal,
Cipolla, CVPR 2018, arXiv:1705.07115). Normals are computed from depth. Images are resized as a
whole, cropped and mirrored, but never zoomed: zooming would make the depth wrong.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor
from torchvision import tv_tensors

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.multi_task import MultiTaskDataset
from unstride.datasets.resized import ResizedDataset
from unstride.metrics import DepthErrors, NormalErrors, mean_iou
from unstride.models.multitask.multi_task import MultiTask
from unstride.recipes.multitask_options import Options as Options
from unstride.training.callbacks import MonitorMode
from unstride.training.dataset_splits import scored_split
from unstride.training.task_learner import TaskLearner
from unstride.training.task_run import (
    create_network,
    load_trained,
    start_run,
    train_network,
    training_samples,
    validate_network,
)
from unstride.transforms.augment import colour_jitter
from unstride.transforms.metric_depth import metric_depth_augmentation
from unstride.transforms.pixel_maps import (
    DepthMap,
    NormalMap,
)
from unstride.transforms.resize import resize_bilinear
from unstride.transforms.sample_transform import SampleTransform
from unstride.viz import depth_comparison, image_row, normal_colours, segmentation_comparison
from unstride.viz.depth import depth_limits

LABEL_TYPES = {"segmentation": tv_tensors.Mask, "depth": DepthMap, "normals": NormalMap}
KINDS = {"segmentation": "classes"}  # of predictions, where the task has another name
MONITORS: dict[str, tuple[str, MonitorMode]] = {
    "segmentation": ("miou", "max"),
    "depth": ("abs_rel", "min"),
    "normals": ("angle_mean", "min"),
}


def fit(options: Options) -> dict[str, float]:
    """Train a network and returns its scores on the validation split."""
    train_data, val_data = load_split(options, "train"), load_split(options, "val")
    run = start_run(options, MONITORS[options.tasks[0]])
    network_options = {"tasks": list(options.tasks), "near": options.near, "far": options.far}
    network, config = create_network(
        options, "multitask", "multitask", train_data.classes, network_options,
        size=list(options.size),
    )  # fmt: skip
    return train_network(
        run,
        MultiTaskLearner(network, options, train_data.classes),
        training_samples(options, train_data, create_transform(options)),
        evenly_spaced_subset(ResizedDataset(val_data, options.size), options.val_limit),
        config=config,
        method="several tasks",
    )


def validate(options: Options, split: str = "val") -> dict[str, float]:
    """Score the network that `fit` left in the output folder.

    Args:
        options: options of the run.
        split: split of the data set.
    """
    network, config = load_trained(options, "multitask")
    options = replace(
        options,
        size=tuple(config.get("size", options.size)),
        tasks=tuple(config["options"]["tasks"]),
    )
    val_data = ResizedDataset(load_split(options, split), options.size)
    learner = MultiTaskLearner(network, options, config["classes"])
    subset = evenly_spaced_subset(val_data, options.val_limit)
    return validate_network(options, learner, subset, split)


class MultiTaskLearner(TaskLearner):
    """Trains all tasks and scores each of them.

    Args:
        network: the network to train.
        options: options of the recipe.
        classes: names of the classes.
    """

    network: MultiTask
    options: Options

    def __init__(self, network: MultiTask, options: Options, classes: Sequence[str]):
        super().__init__(network, options)
        self.classes = classes
        self.monitor = MONITORS[options.tasks[0]]
        if "segmentation" in options.tasks:
            self.miou = mean_iou(len(classes))
        if "depth" in options.tasks:
            self.depth_errors = DepthErrors(options.eval_depth_range)
        if "normals" in options.tasks:
            self.normal_errors = NormalErrors()

    def losses(self, batch: tuple[Tensor, dict[str, Tensor]]) -> dict[str, Tensor]:
        """The weighted sum of the tasks' losses; each of them is logged."""
        images, labels = batch
        outputs = self.network(images)
        total, by_task = self.network.loss(outputs, labels)
        self.log_dict({f"loss/{name}": loss.detach() for name, loss in by_task.items()})
        predictions = by_kind(outputs)
        return {"weighted": total} | self.regeneration_loss(images, predictions, self.predictions)

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """The predictions of all tasks, by kind."""
        return by_kind(self.network(images))

    def prediction_channels(self) -> dict[str, int]:
        """A logit per class, one depth, and three coordinates of normals."""
        return by_kind({name: task.channels for name, task in self.network.tasks.items()})

    def class_names(self) -> list[str]:
        """Names of the classes."""
        return list(self.classes)

    def validation_step(self, batch: tuple[Tensor, dict[str, Tensor]], index: int) -> None:
        """Score an image at the size of its labels, and logs pictures of the first ones."""
        images, labels = batch
        for task, output in self.network(images).items():
            target = labels[task]
            size = target.shape[-2], target.shape[-1]
            if task == "segmentation":
                prediction = resize_bilinear(output, size).argmax(1)
                self.miou.update(prediction, target)
            elif task == "depth":
                prediction = resize_bilinear(output[:, None], size)[:, 0]
                self.depth_errors.update(prediction, target)
            else:
                prediction = resize_bilinear(output, size)
                self.normal_errors.update(prediction, target)
            draw = partial(self.task_picture, task, images[0], target[0], prediction[0])
            self.log_image(index, draw, task)

    def task_picture(self, task: str, image: Tensor, target: Tensor, prediction: Tensor) -> Tensor:
        """Draw image, target and prediction of a task side by side, at the size of the target."""
        image = resize_bilinear(image[None], (target.shape[-2], target.shape[-1]))[0].cpu()
        target, prediction = target.cpu(), prediction.cpu()
        if task == "segmentation":
            return segmentation_comparison(image, target, prediction, self.classes)
        if task == "depth":
            return depth_comparison(image, target, prediction, depth_limits(target))
        return image_row(image, normal_colours(target), normal_colours(prediction))

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the whole split."""
        if "segmentation" in self.network.tasks:
            self.log("miou", 100 * pop_value(self.miou), prog_bar=True)
        if "depth" in self.network.tasks:
            self.log_dict(pop_value(self.depth_errors), prog_bar=True)
        if "normals" in self.network.tasks:
            errors = pop_value(self.normal_errors)
            self.log_dict({f"angle_{name}": value for name, value in errors.items()})


def by_kind(outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs of tasks by the kinds that regeneration knows."""
    return {KINDS.get(task, task): output for task, output in outputs.items()}


def create_transform(options: Options) -> SampleTransform:
    """Create the augmentation of training samples (image, labels by task)."""
    augmentation = metric_depth_augmentation(
        options.size, crop_size=options.crop_size, flip=options.horizontal_flip,
        colour_transform=colour_jitter(options.colour_jitter),
    )  # fmt: skip
    return SampleTransform(augmentation, typed_labels)


def typed_labels(labels: dict[str, Tensor]) -> dict[str, tv_tensors.TVTensor]:
    """The labels as tv_tensors of their tasks' types."""
    return {task: LABEL_TYPES[task](label) for task, label in labels.items()}


def pop_value(metric: Any) -> Any:
    """Return the value of a torchmetrics metric and resets it."""
    value = metric.compute()
    metric.reset()
    return value


def load_split(options: Options, split: str) -> MultiTaskDataset:
    """Load a split of the data set.

    Raises:
        ValueError: if the data set does not have the labels of a task.
    """
    split = scored_split(options.dataset, split)
    return MultiTaskDataset(options.dataset, options.data, split, tasks=options.tasks)
