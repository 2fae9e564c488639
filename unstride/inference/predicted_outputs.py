"""Runs a task network on an image and turns what it predicts into output files.

`OUTPUTS` maps the task in a network's config to the function that does the second.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

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
from unstride.inference.predictors import PREDICTORS, TaskModel
from unstride.models.multitask.task import LogDepth, Segmentation, SurfaceNormals, Task
from unstride.models.panoptic.postprocess import PanopticSegments


def predict_image(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Run the model on an image, RGB in [0, 1]."""
    task = model.config["task"]
    return OUTPUTS[task](model, image[0], PREDICTORS[task](model, image))


def outputs_of_segmentation(
    model: TaskModel, image: ImageTensor, logits: Float[Tensor, "n h w"]
) -> ImageOutputs:
    """Labels and their picture."""
    return segmentation_outputs(image, logits, model.class_names)


def outputs_of_detection(
    model: TaskModel, image: ImageTensor, detections: Mapping[str, Tensor]
) -> ImageOutputs:
    """All detections, and a picture of those with at least the model's lowest score."""
    return detection_outputs(image, detections, model.categories, model.min_score)


def outputs_of_panoptic(
    model: TaskModel, image: ImageTensor, prediction: PanopticSegments
) -> ImageOutputs:
    """Segment ids and their picture."""
    return panoptic_outputs(image, *prediction, model.categories)


def outputs_of_depth(
    model: TaskModel, image: ImageTensor, depth: Float[Tensor, "h w"]
) -> ImageOutputs:
    """Depth and its picture; learned from video without poses it has no unit."""
    is_metric = model.config.get("model") != "monodepth" or model.config.get("known_motion")
    return depth_outputs(image, depth, "m" if is_metric else "")


def outputs_of_multitask(
    model: TaskModel, image: ImageTensor, predictions: Mapping[str, Tensor]
) -> ImageOutputs:
    """The files of each task of `MultiTask`, with its pictures in a folder of their own."""
    writers: dict[str, FileWriter] = {}
    summaries, notes = {}, []
    for name, prediction in predictions.items():
        outputs = task_outputs(model.network.tasks[name], image, prediction, model.class_names)
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


OUTPUTS: dict[str, Callable[[TaskModel, Tensor, Any], ImageOutputs]] = {
    "segmentation": outputs_of_segmentation,
    "detection": outputs_of_detection,
    "panoptic": outputs_of_panoptic,
    "depth": outputs_of_depth,
    "multitask": outputs_of_multitask,
}
