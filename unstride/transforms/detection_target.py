"""Builds and edits the targets of torchvision's detectors: boxes, masks, labels, crowds."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision import tv_tensors

Target = dict[str, Any]
OF_OBJECTS = ("boxes", "masks", "labels", "iscrowd")  # entries with one value per object


def detection_target(
    masks: Bool[Tensor, "n h w"],
    labels: Sequence[int],
    *,
    is_crowd: Sequence[bool],
    image_id: int,
    boxes: Float[Tensor, "n 4"] | None = None,
) -> Target:
    """Build a target. Objects whose box has no area are left out.

    Args:
        masks: mask of each object.
        labels: label of each object, from 1.
        is_crowd: whether each object is a crowd.
        image_id: id of the image.
        boxes: XYXY in pixels. Default: the smallest box around each mask.
    """
    boxes = boxes_from_masks(masks) if boxes is None else boxes.view(-1, 4)
    height, width = masks.shape[1:]
    target, has_area = _box_target(boxes, labels, is_crowd, image_id, (height, width))
    return target | {"masks": tv_tensors.Mask(masks[has_area].to(torch.uint8))}


def box_target(
    boxes: Float[Tensor, "n 4"],
    labels: Sequence[int],
    *,
    is_crowd: Sequence[bool],
    image_id: int,
    size: tuple[int, int],
) -> Target:
    """Build a target without masks. Objects whose box has no area inside the image are left out.

    Args:
        boxes: XYXY in pixels.
        labels: label of each object, from 1.
        is_crowd: whether each object is a crowd.
        image_id: id of the image.
        size: (height, width) of the image.
    """
    return _box_target(boxes, labels, is_crowd, image_id, size)[0]


def _box_target(
    boxes: Float[Tensor, "n 4"],
    labels: Sequence[int],
    is_crowd: Sequence[bool],
    image_id: int,
    size: tuple[int, int],
) -> tuple[Target, Bool[Tensor, " n"]]:
    """The target, and which objects are in it."""
    height, width = size
    boxes = boxes.clamp(torch.zeros(4), torch.tensor([width, height, width, height]))
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(1)
    target = {
        "image_id": image_id,
        "boxes": tv_tensors.BoundingBoxes(boxes[has_area], format="XYXY", canvas_size=size),
        "labels": torch.tensor(labels, dtype=torch.int64)[has_area],
        "iscrowd": torch.tensor(is_crowd, dtype=torch.bool)[has_area],
    }
    return target, has_area


def boxes_from_masks(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """Return the smallest XYXY box around each mask; pixel i covers [i, i + 1). Zeros if empty.

    torchvision's `masks_to_boxes` ends at the start of the last pixel and refuses empty masks.
    """
    ends = []
    for occupancy in (masks.any(1), masks.any(2)):  # columns, then rows
        size = occupancy.shape[1]
        first = occupancy.to(torch.uint8).argmax(1) if size else occupancy.new_zeros(len(occupancy))
        last = size - occupancy.flip(1).to(torch.uint8).argmax(1)
        ends.append((first, last.where(occupancy.any(1), 0)))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], 1).float()


def refit_boxes(target: Target) -> Target:
    """Fits boxes anew to the masks after a crop; drops objects of which nothing is left.

    Without masks, boxes are cut at the edges of the image.
    """
    labels, is_crowd = target["labels"].tolist(), target["iscrowd"].tolist()
    if "masks" not in target:
        return box_target(
            torch.as_tensor(target["boxes"]), labels, is_crowd=is_crowd,
            image_id=target["image_id"], size=target["boxes"].canvas_size,
        )  # fmt: skip
    masks = torch.as_tensor(target["masks"]).bool()
    return detection_target(masks, labels, is_crowd=is_crowd, image_id=target["image_id"])


def without_crowds(target: Target) -> Target:
    """Drop the crowds of a target: detectors learn from single objects only."""
    is_single = ~target["iscrowd"]
    kept = {name: target[name][is_single] for name in OF_OBJECTS if name in target}
    wrapped = {
        name: tv_tensors.wrap(value, like=target[name])
        for name, value in kept.items()
        if isinstance(target[name], tv_tensors.TVTensor)
    }
    return {**target, **kept, **wrapped}
