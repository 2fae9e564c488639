"""Runs task networks on an image: one function for each task.

`PREDICTORS` maps the task in a network's config to its function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from unstride.formats.segments import Category
from unstride.inference.outputs import (
    FileWriter,
    ImageOutputs,
    ImageTensor,
    depth_outputs,
    detection_outputs,
    normals_outputs,
    panoptic_outputs,
    segmentation_outputs,
)
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.multitask.task import LogDepth, Segmentation, SurfaceNormals, Task
from unstride.models.panoptic.panoptic_deeplab import PanopticDeepLab
from unstride.transforms.resize import resize_bilinear


@dataclass(frozen=True)
class TaskModel:
    """A task network with its config.

    Args:
        network: in evaluation mode.
        config: as saved with the network; `classes` are names.
        min_score: lowest score of objects in the picture, 0 to 1.
    """

    network: Any
    config: Mapping[str, Any]
    min_score: float = 0.5

    @property
    def class_names(self) -> list[str]:
        """Name of each class, in the order of the network's outputs."""
        return list(self.config.get("classes", []))

    @property
    def categories(self) -> list[Category]:
        """Categories of JSON files: with the data set's ids if the network knows them."""
        names = self.class_names
        if self.config["task"] == "panoptic":
            things, stuff = self.network.classes
            is_thing = [True] * len(things) + [False] * len(stuff)
            category_ids = [*things, *stuff]
        else:
            category_ids = self.config.get("categories") or [*range(1, len(names) + 1)]
            is_thing = [True] * len(names)
        return [Category(*row) for row in zip(category_ids, names, is_thing, strict=True)]


def predict_image(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Run the model on an image, RGB in [0, 1]."""
    return PREDICTORS[model.config["task"]](model, image)


def predict_segmentation(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """For networks that return logits "1 n h w"."""
    return segmentation_outputs(image[0], model.network(image)[0], model.class_names)


def predict_detection(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """For networks that are called like torchvision's detectors."""
    detections = model.network([image[0]])[0]
    return detection_outputs(image[0], detections, model.categories, model.min_score)


def predict_panoptic(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """For Panoptic-DeepLab, and networks that return a dictionary with `ids` and `segments`."""
    if isinstance(model.network, PanopticDeepLab):
        ids, segments = model.network.predict_segments(image)[0]
    else:
        prediction = model.network([image[0]])[0]
        ids, segments = prediction["ids"], prediction["segments"]
    return panoptic_outputs(image[0], ids, segments, model.categories)


def predict_depth(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """For networks that return depth "1 h w"; learned from video without poses it has no unit."""
    is_metric = model.config.get("model") != "monodepth" or model.config.get("known_motion")
    size = image.shape[2], image.shape[3]
    depth = resize_bilinear(model.network(at_training_size(model, image))[:, None], size)[0, 0]
    return depth_outputs(image[0], depth, "m" if is_metric else "")


def at_training_size(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 H W"]:
    """Resize an image to the size of the training images, if they all had one.

    Predicted depth depends on the size.
    """
    return resize_bilinear(image, tuple(model.config.get("size") or image.shape[2:]))


def predict_multitask(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """For `MultiTask`: the files of each task, with its pictures in a folder of their own."""
    network: MultiTask = model.network
    writers: dict[str, FileWriter] = {}
    summaries, notes = {}, []
    size = image.shape[2], image.shape[3]
    for name, prediction in network(at_training_size(model, image)).items():
        maps = prediction if prediction.ndim == 4 else prediction[:, None]
        resized = resize_bilinear(maps, size)[0].reshape(*prediction.shape[1:-2], *size)
        outputs = task_outputs(network.tasks[name], image[0], resized, model.class_names)
        for folder, writer in outputs.writers.items():
            writers[f"pictures/{name}" if folder == "pictures" else folder] = writer
        summaries[name] = outputs.summary
        notes += [outputs.note] if outputs.note else []
    return ImageOutputs(writers, summaries, "; ".join(notes))


def task_outputs(
    task: Task, image: ImageTensor, prediction: Tensor, class_names: Sequence[str]
) -> ImageOutputs:
    """The outputs of one task of `MultiTask`.

    Raises:
        ValueError: if the task is of another kind than those of this package.
    """
    if isinstance(task, Segmentation):
        return segmentation_outputs(image, prediction, class_names)
    if isinstance(task, LogDepth):
        return depth_outputs(image, prediction)
    if isinstance(task, SurfaceNormals):
        return normals_outputs(image, normalize(prediction, dim=0))
    raise ValueError(f"tasks of type {type(task).__name__} have no output files")


PREDICTORS: dict[str, Callable[[TaskModel, Tensor], ImageOutputs]] = {
    "segmentation": predict_segmentation,
    "detection": predict_detection,
    "panoptic": predict_panoptic,
    "depth": predict_depth,
    "multitask": predict_multitask,
}
