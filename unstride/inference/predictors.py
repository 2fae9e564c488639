"""What each kind of task network says of a photograph.

An answer is a function of the network and the photograph; `PREDICTORS` names it by the task of the
network's description.
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
    """A task network and what is known of it.

    Args:
        network: in evaluation.
        described: its description; `classes` are names.
        score: that objects in the picture have at least, 0 to 1.
    """

    network: Any
    described: Mapping[str, Any]
    score: float = 0.5

    @property
    def classes(self) -> list[str]:
        """Names, in the order of the network's numbers."""
        return list(self.described.get("classes", []))

    @property
    def categories(self) -> list[Category]:
        """What numbers in JSON files stand for: the data set's, if the network knows them."""
        if self.described["task"] == "panoptic":
            things, stuff = self.network.classes
            kinds = [True] * len(things) + [False] * len(stuff)
            numbers = [*things, *stuff]
        else:
            numbers = self.described.get("categories") or [*range(1, len(self.classes) + 1)]
            kinds = [True] * len(self.classes)
        return [Category(*each) for each in zip(numbers, self.classes, kinds, strict=True)]


def predict_image(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """What the model says of a photograph, RGB in [0, 1]."""
    return PREDICTORS[model.described["task"]](model, image)


def predict_segmentation(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Of a network that gives logits "1 n h w"."""
    return segmentation_outputs(image[0], model.network(image)[0], model.classes)


def predict_detection(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Of a network that is called as torchvision's detectors are."""
    found = model.network([image[0]])[0]
    return detection_outputs(image[0], found, model.categories, model.score)


def predict_panoptic(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Of Panoptic-DeepLab, or of a network that gives a dictionary with `ids` and `segments`."""
    if isinstance(model.network, PanopticDeepLab):
        ids, segments = model.network.segments(image)[0]
    else:
        found = model.network([image[0]])[0]
        ids, segments = found["ids"], found["segments"]
    return panoptic_outputs(image[0], ids, segments, model.categories)


def predict_depth(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Of a network that gives depth "1 h w"; learned from video without poses it has no unit."""
    known = model.described.get("model") != "monodepth" or model.described.get("known_motion")
    size = image.shape[2], image.shape[3]
    depth = resize_bilinear(model.network(at_training_size(model, image))[:, None], size)[0, 0]
    return depth_outputs(image[0], depth, "m" if known else "")


def at_training_size(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 H W"]:
    """The photograph at the size of those that taught, where all had one: depth depends on it."""
    return resize_bilinear(image, tuple(model.described.get("size") or image.shape[2:]))


def predict_multitask(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> ImageOutputs:
    """Of `MultiTask`: the files of each task; its picture lies in a folder of its own."""
    network: MultiTask = model.network
    files: dict[str, FileWriter] = {}
    found, notes = {}, []
    size = image.shape[2], image.shape[3]
    for name, said in network(at_training_size(model, image)).items():
        maps = said if said.ndim == 4 else said[:, None]
        whole = resize_bilinear(maps, size)[0].reshape(*said.shape[1:-2], *size)
        one = task_outputs(network.tasks[name], image[0], whole, model.classes)
        files |= {f"pictures/{name}" if k == "pictures" else k: w for k, w in one.files.items()}
        found[name] = one.found
        notes += [one.note] if one.note else []
    return ImageOutputs(files, found, "; ".join(notes))


def task_outputs(
    task: Task, image: ImageTensor, said: Tensor, classes: Sequence[str]
) -> ImageOutputs:
    """Of one of the tasks of `models.task`.

    Raises:
        ValueError: if it is of another kind.
    """
    if isinstance(task, Segmentation):
        return segmentation_outputs(image, said, classes)
    if isinstance(task, LogDepth):
        return depth_outputs(image, said)
    if isinstance(task, SurfaceNormals):
        return normals_outputs(image, normalize(said, dim=0))
    raise ValueError(f"{type(task).__name__}: there is no file for such a task")


PREDICTORS: dict[str, Callable[[TaskModel, Tensor], ImageOutputs]] = {
    "segmentation": predict_segmentation,
    "detection": predict_detection,
    "panoptic": predict_panoptic,
    "depth": predict_depth,
    "multitask": predict_multitask,
}
