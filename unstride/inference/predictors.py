"""Predicts with task networks: one function for each task.

`PREDICTORS` maps the task in a network's config to its function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.device import module_device
from unstride.formats.any_image import as_image
from unstride.formats.segments import Category
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.panoptic.panoptic_deeplab import PanopticDeepLab
from unstride.models.panoptic.postprocess import PanopticSegments
from unstride.transforms.resize import resize_bilinear
from unstride.upsamplers.image_check import as_checked_images


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


@torch.no_grad()
def predict(model: TaskModel, image: Any) -> Any:
    """Predict for an image, or for each image of a list, without gradients.

    Args:
        model: from `load_task_model`.
        image: a tensor, a numpy array or a Pillow image, see `as_image`; or a list of them, which
            may differ in kind and size.

    Returns:
        What the task's function in this module returns, at the size of the image; for a list, the
        list of each image's.

    Raises:
        ValueError: if an image is not RGB in [0, 1], or a tensor or array holds several.
    """
    device = module_device(model.network)
    if isinstance(image, list | tuple):
        return [predict(model, one) for one in as_checked_images(image, device)]
    image = as_image(image, device)
    if len(image) != 1:
        raise ValueError(f"image must be one image or a list, got a batch of {len(image)}")
    return PREDICTORS[model.config["task"]](model, image)


def predict_segmentation(
    model: TaskModel, image: Float[Tensor, "1 3 h w"]
) -> Float[Tensor, "n h w"]:
    """Logits of the model's classes, by networks that return them for a batch."""
    return model.network(image)[0]


def predict_detection(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> dict[str, Tensor]:
    """Boxes, labels, scores and perhaps masks, by networks called like torchvision's detectors."""
    return model.network([image[0]])[0]


def predict_panoptic(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> PanopticSegments:
    """Segment ids and segments; networks but Panoptic-DeepLab return a dictionary of them."""
    if isinstance(model.network, PanopticDeepLab):
        return model.network.predict_segments(image)[0]
    prediction = model.network([image[0]])[0]
    return prediction["ids"], prediction["segments"]


def predict_depth(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "h w"]:
    """Depth in metres, or in no unit if it was learned from video without poses."""
    size = image.shape[2], image.shape[3]
    return resize_bilinear(model.network(at_training_size(model, image))[:, None], size)[0, 0]


def predict_multitask(
    model: TaskModel, image: Float[Tensor, "1 3 h w"]
) -> dict[str, Float[Tensor, "*_ h w"]]:
    """The map of each task of `MultiTask`, by its name."""
    network: MultiTask = model.network
    predictions, size = {}, (image.shape[2], image.shape[3])
    for name, prediction in network(at_training_size(model, image)).items():
        maps = prediction if prediction.ndim == 4 else prediction[:, None]
        resized = resize_bilinear(maps, size)[0]
        predictions[name] = resized.reshape(*prediction.shape[1:-2], *size)
    return predictions


def at_training_size(model: TaskModel, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 H W"]:
    """Resize an image to the size of the training images, if they all had one.

    Predicted depth depends on the size.
    """
    return resize_bilinear(image, tuple(model.config.get("size") or image.shape[2:]))


PREDICTORS: dict[str, Callable[[TaskModel, Tensor], Any]] = {
    "segmentation": predict_segmentation,
    "detection": predict_detection,
    "panoptic": predict_panoptic,
    "depth": predict_depth,
    "multitask": predict_multitask,
}
