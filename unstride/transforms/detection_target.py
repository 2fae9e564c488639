"""TODO."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision import tv_tensors

Target = dict[str, Any]


def detection_target(
    masks: Bool[Tensor, "n h w"],
    labels: Sequence[int],
    *,
    crowds: Sequence[bool],
    image_id: int,
    boxes: Float[Tensor, "n 4"] | None = None,
) -> Target:
    """A target of objects; those whose box has no area are left out.

    Args:
        masks: of the objects.
        labels: from 1.
        crowds: which of them are a crowd.
        image_id: of the photograph.
        boxes: XYXY; by default the smallest around each mask.
    """
    boxes = boxes_from_masks(masks) if boxes is None else boxes.view(-1, 4)
    height, width = masks.shape[1:]
    boxes = boxes.clamp(torch.zeros(4), torch.tensor([width, height, width, height]))
    real = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return {
        "image_id": image_id,
        "boxes": tv_tensors.BoundingBoxes(boxes[real], format="XYXY", canvas_size=(height, width)),
        "masks": tv_tensors.Mask(masks[real].to(torch.uint8)),
        "labels": torch.tensor(labels, dtype=torch.int64)[real],
        "iscrowd": torch.tensor(crowds, dtype=torch.bool)[real],
    }


def boxes_from_masks(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """The smallest XYXY box around each mask; pixel i covers [i, i + 1). Zeros for an empty mask.

    torchvision's `masks_to_boxes` ends at the last pixel's start instead, and refuses empty masks.
    """
    ends = []
    for within in (masks.any(1), masks.any(2)):  # columns, then rows
        size = within.shape[1]
        first = within.to(torch.uint8).argmax(1) if size else within.new_zeros(len(within))
        last = size - within.flip(1).to(torch.uint8).argmax(1)
        ends.append((first, last.where(within.any(1), 0)))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], 1).float()


def refit_boxes(target: Target) -> Target:
    """The target after a crop: boxes around what is left of the masks, where something is left."""
    masks = torch.as_tensor(target["masks"]).bool()
    return detection_target(
        masks, target["labels"].tolist(), crowds=target["iscrowd"].tolist(),
        image_id=target["image_id"],
    )  # fmt: skip


def without_crowds(target: Target) -> Target:
    """The target without its crowds: detectors learn from single objects only."""
    single = ~target["iscrowd"]
    chosen = {name: target[name][single] for name in ("boxes", "masks", "labels", "iscrowd")}
    kept = {name: tv_tensors.wrap(value, like=target[name]) for name, value in chosen.items()
            if isinstance(target[name], tv_tensors.TVTensor)}  # fmt: skip
    return {**target, **chosen, **kept}
