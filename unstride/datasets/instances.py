"""Photographs with objects: boxes, masks and classes that move together under transforms.v2."""

from abc import abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from unstride.datasets.base import LabelledDataset
from unstride.formats.images import load_image
from unstride.transforms.detection_target import Target
from unstride.transforms.pure_tensors import to_pure_tensors


class InstanceDataset(LabelledDataset):
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


def collate_instances(items: Sequence[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    """A batch of photographs that may differ in size: plain tensors, for loaders."""
    images, targets = zip(*items, strict=True)
    return to_pure_tensors(list(images)), to_pure_tensors(list(targets))
