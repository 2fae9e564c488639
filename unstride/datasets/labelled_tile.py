"""Small pictures of the items of any data set, with their labels over the image."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import DepthDataset, LabelledDataset, SegmentationDataset
from unstride.viz.contact_sheet import boxes_tile, depth_tile, labels_tile


def labelled_tile(
    dataset: LabelledDataset, image: Float[Tensor, "3 h w"], labels: Any
) -> Float[Tensor, "3 H W"]:
    """A small picture of an item of a data set, which says what its labels mean.

    Args:
        dataset: of classes, depth, objects or segments.
        image: RGB in [0, 1].
        labels: the labels of the item, as the data set has them.
    """
    names, image = dataset.classes, torch.as_tensor(image)
    if isinstance(dataset, SegmentationDataset):
        return labels_tile(image, labels, names)
    if isinstance(dataset, DepthDataset):
        return depth_tile(image, labels)
    classes = classes_of_objects(dataset, labels)
    class_map = _class_map(labels, classes, (image.shape[1], image.shape[2]))
    if "segments" in labels:
        return labels_tile(image, class_map, names)
    boxes = torch.as_tensor(labels["boxes"])
    return boxes_tile(image, boxes, classes, names, class_map if "masks" in labels else None)


def classes_of_objects(dataset: LabelledDataset, target: dict[str, Any]) -> list[int]:
    """The class of each object or segment of a target, from 0."""
    if "labels" in target:
        return [label - 1 for label in target["labels"].tolist()]
    order = [category.id for category in dataset.categories]  # type: ignore[attr-defined]
    return [order.index(segment.category_id) for segment in target["segments"]]


def _class_map(target: dict[str, Any], classes: list[int], size: tuple[int, int]) -> Tensor:
    """The class of each pixel of the segments or masks, -1 elsewhere."""
    class_map = torch.full(size, -1)
    if "segments" in target:
        for segment, c in zip(target["segments"], classes, strict=True):
            class_map[torch.as_tensor(target["ids"][0]) == segment.id] = c
    elif "masks" in target:
        for mask, c in zip(torch.as_tensor(target["masks"]).bool(), classes, strict=True):
            class_map[mask] = c
    return class_map
