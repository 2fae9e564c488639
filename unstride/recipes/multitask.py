"""Several tasks on one backbone: classes, depth in metres, and the directions of surfaces.

    unstride fit multitask --config kitchen_multitask_small --data KITCHEN --upsampler carafe

Each task has its own decoder and loss; the losses weigh themselves (Kendall, Gal, Cipolla, CVPR
2018, arXiv:1705.07115). Normals come from depth. Photographs are resized as a whole, cropped and
mirrored, never zoomed: that would make depth wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from torch import Tensor
from torchvision import tv_tensors

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.multi_task import MultiTaskDataset
from unstride.datasets.resized import ResizedDataset
from unstride.metrics import DepthErrors, NormalErrors, mean_iou
from unstride.models.multitask.multi_task import MultiTask
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
from unstride.transforms.augment import colour_jitter
from unstride.transforms.metric_depth import metric_depth_augmentation
from unstride.transforms.pixel_maps import (
    DepthMap,
    NormalMap,
)
from unstride.transforms.pure_tensors import to_pure_tensors
from unstride.transforms.resize import resize_bilinear
from unstride.viz import depth_comparison, image_row, normal_colours, segmentation_comparison
from unstride.viz.depth import depth_limits

LABEL_TYPES = {"segmentation": tv_tensors.Mask, "depth": DepthMap, "normals": NormalMap}
MONITORS: dict[str, tuple[str, Literal["max", "min"]]] = {
    "segmentation": ("miou", "max"),
    "depth": ("abs_rel", "min"),
    "normals": ("angle_mean", "min"),
}


@dataclass(frozen=True, kw_only=True)
class Options(TaskOptions):
    """Train a network for several tasks.

    Writes OUT/model, a folder for `unstride predict`; OUT/card.json (what was done, and the scores
    on the validation split) and OUT/last.ckpt; a run that was stopped goes on from there, to the
    same curve. Scored at the labels' own size are: miou in percent; abs_rel, sq_rel, rmse,
    rmse_log and delta1 to delta3; angle_mean and angle_median in degrees, and the shares of normals
    within 11.25, 22.5 and 30 degrees. By the first task's first score weights are the best.

    Args:
        dataset: posed_rgbd, nyuv2 or nyuv2_tasks, which has classes. Of nyuv2, which has no val,
            the test split is scored.
        tasks: of segmentation, depth, normals.
        near: the least depth that the network can say, in metres.
        far: the greatest.
        size: rows and columns that every photograph is given.
        crop: rows and columns of a training crop; by default the size.
        flip: mirror half of the photographs.
        colour: how much brightness, contrast and saturation change, 0 to 1.
        caps: depths between which is scored, in metres.
    """

    dataset: str = "posed_rgbd"
    tasks: tuple[str, ...] = ("depth", "normals")
    near: float = 0.3
    far: float = 10.0
    size: tuple[int, int] = (240, 320)
    crop: tuple[int, int] | None = None
    flip: bool = True
    colour: float = 0.2
    caps: tuple[float, float] = (0.001, 10.0)


def fit(options: Options) -> dict[str, float]:
    """Train; the scores on the validation split."""
    training, checking = load_split(options, "train"), load_split(options, "val")
    run = start_run(options, MONITORS[options.tasks[0]])
    inside = {"tasks": list(options.tasks), "near": options.near, "far": options.far}
    network, described = create_network(
        options, "multitask", "multitask", training.classes, inside, size=list(options.size)
    )
    taught = training_samples(options, training, MultiTaskTransform(options))
    return train_network(
        run, MultiTaskLearner(network, options, training.classes), taught,
        evenly_spaced_subset(ResizedDataset(checking, options.size), options.limit),
        described=described, method="several tasks",
    )  # fmt: skip


def validate(options: Options, part: str = "val") -> dict[str, float]:
    """The scores of what `fit` left in the options' folder.

    Args:
        options: those of the run.
        part: split of the data set.
    """
    network, described = load_trained(options, "multitask")
    options = replace(
        options,
        size=tuple(described.get("size", options.size)),
        tasks=tuple(described["options"]["tasks"]),
    )
    checking = evenly_spaced_subset(
        ResizedDataset(load_split(options, part), options.size), options.limit
    )
    return validate_network(
        options, MultiTaskLearner(network, options, described["classes"]), checking, part
    )


class MultiTaskLearner(TaskLearner):
    """Answers to all tasks, and the scores of each.

    Args:
        network: what learns.
        options: of the recipe.
        classes: their names.
    """

    network: MultiTask
    options: Options

    def __init__(self, network: MultiTask, options: Options, classes: Sequence[str]):
        super().__init__(network, options)
        self.classes = classes
        self.better = MONITORS[options.tasks[0]]
        if "segmentation" in options.tasks:
            self.area = mean_iou(len(classes))
        if "depth" in options.tasks:
            self.errors = DepthErrors(options.caps)
        if "normals" in options.tasks:
            self.angles = NormalErrors()

    def losses(self, batch: tuple[Tensor, dict[str, Tensor]]) -> dict[str, Tensor]:
        """The weighted sum; the log has each task's own."""
        images, labels = batch
        total, each = self.network.loss(self.network(images), labels)
        self.log_dict({f"loss/{name}": loss.detach() for name, loss in each.items()})
        return {"weighted": total}

    def validation_step(self, batch: tuple[Tensor, dict[str, Tensor]], index: int) -> None:
        """Count a photograph, at the size of its labels; show the first ones."""
        images, labels = batch
        for task, answer in self.network(images).items():
            truth = labels[task]
            size = truth.shape[-2], truth.shape[-1]
            if task == "segmentation":
                found = resize_bilinear(answer, size).argmax(1)
                self.area.update(found, truth)
            elif task == "depth":
                found = resize_bilinear(answer[:, None], size)[:, 0]
                self.errors.update(found, truth)
            else:
                found = resize_bilinear(answer, size)
                self.angles.update(found, truth)
            self.show(index, partial(self.drawn, task, images[0], truth[0], found[0]), task)

    def drawn(self, task: str, image: Tensor, truth: Tensor, found: Tensor) -> Tensor:
        """A photograph, the truth of a task and what was found, at the size of the truth."""
        image = resize_bilinear(image[None], (truth.shape[-2], truth.shape[-1]))[0].cpu()
        truth, found = truth.cpu(), found.cpu()
        if task == "segmentation":
            return segmentation_comparison(image, truth, found, self.classes)
        if task == "depth":
            return depth_comparison(image, truth, found, depth_limits(truth))
        return image_row(image, normal_colours(truth), normal_colours(found))

    def on_validation_epoch_end(self) -> None:
        """Scores of the whole split."""
        if "segmentation" in self.network.tasks:
            self.log("miou", 100 * pop_value(self.area), prog_bar=True)
        if "depth" in self.network.tasks:
            self.log_dict(pop_value(self.errors), prog_bar=True)
        if "normals" in self.network.tasks:
            self.log_dict({f"angle_{name}": v for name, v in pop_value(self.angles).items()})


class MultiTaskTransform:
    """A photograph and its labels, augmented as the options say."""

    def __init__(self, options: Options):
        self.transform = metric_depth_augmentation(
            options.size, crop=options.crop, flip=options.flip,
            recolour=colour_jitter(options.colour),
        )  # fmt: skip

    def __call__(self, image: Tensor, labels: dict[str, Tensor]) -> Any:
        """All as tensors."""
        maps = {task: LABEL_TYPES[task](label) for task, label in labels.items()}
        return to_pure_tensors(self.transform(tv_tensors.Image(image), maps))


def pop_value(metric: Any) -> Any:
    """What a metric of torchmetrics has counted, after which it starts anew."""
    value = metric.compute()
    metric.reset()
    return value


def load_split(options: Options, part: str) -> MultiTaskDataset:
    """A split of the options' data set.

    Raises:
        ValueError: if there are no tasks, or it does not have their labels.
    """
    if not options.tasks:
        raise ValueError("tasks: at least one of segmentation, depth, normals is needed")
    part = "test" if (options.dataset, part) == ("nyuv2", "val") else part
    return MultiTaskDataset(options.dataset, options.data, part, tasks=options.tasks)
