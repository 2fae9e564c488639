"""Photographs with objects: boxes, masks and classes that move together under transforms.v2."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from unstride.transforms.augment import plain
from unstride.datasets.base import Labelled
from unstride.formats.images import load_image

Target = dict[str, Any]


class Instances(Labelled):
    """Photographs (Image, RGB in [0, 1]) with targets as torchvision's detectors take them.

    A target has `boxes` (BoundingBoxes, XYXY in pixels), `masks` (Mask, uint8 0 or 1), `labels`
    (int64), `iscrowd` (bool) of its objects, and `image_id` (int). Labels count from 1, the number
    of a class in `classes`: `classes[label - 1]`; 0 is the background.

    Args:
        root: the folder that holds the data set.
        split: one of `splits`.
        transforms: of torchvision.transforms.v2, applied to image and target together.

    Raises:
        ValueError: if there is no such split, or a file is damaged.
        FileNotFoundError: if a folder or a file is missing, or there is no photograph.
    """

    def __init__(self, root, split: str, transforms: Transform | None = None):
        super().__init__(root, split)
        self.transforms = transforms

    @abstractmethod
    def target(self, index: int, size: tuple[int, int]) -> Target:
        """The target of an item whose photograph has this (height, width)."""

    def occupied(self) -> Sequence[int]:
        """The items that have an object, crowds aside, as far as that is known without reading."""
        return range(len(self))

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Target]:
        pixels = load_image(self.images[index])[0]
        target = self.target(index, (pixels.shape[1], pixels.shape[2]))
        image = tv_tensors.Image(pixels)
        return (image, target) if self.transforms is None else self.transforms(image, target)


def make_target(
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
    boxes = boxes_around(masks) if boxes is None else boxes.view(-1, 4)
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


def boxes_around(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
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


def trimmed(target: Target) -> Target:
    """The target after a crop: boxes around what is left of the masks, where something is left."""
    masks = torch.as_tensor(target["masks"]).bool()
    return make_target(
        masks, target["labels"].tolist(), crowds=target["iscrowd"].tolist(),
        image_id=target["image_id"],
    )  # fmt: skip


def collate_instances(items: Sequence[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    """A batch of photographs that may differ in size: plain tensors, for loaders."""
    images, targets = zip(*items, strict=True)
    return plain(list(images)), plain(list(targets))


def without_crowds(target: Target) -> Target:
    """The target without its crowds: detectors learn from single objects only."""
    single = ~target["iscrowd"]
    chosen = {name: target[name][single] for name in ("boxes", "masks", "labels", "iscrowd")}
    kept = {name: tv_tensors.wrap(value, like=target[name]) for name, value in chosen.items()
            if isinstance(target[name], tv_tensors.TVTensor)}  # fmt: skip
    return {**target, **chosen, **kept}
