"""Base class for images with objects: boxes, masks and labels that transforms.v2 can move."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from unstride.datasets.base import LabelledDataset
from unstride.formats.images import load_image
from unstride.transforms.detection_target import Target
from unstride.transforms.pure_tensors import to_pure_tensors


class InstanceDataset(LabelledDataset):
    """Images (Image, RGB in [0, 1]) with targets in the form that torchvision's detectors expect.

    A target has `boxes` (BoundingBoxes, XYXY in pixels), `masks` (Mask, uint8 0 or 1), `labels`
    (int64) and `iscrowd` (bool) of its objects, and `image_id` (int). Labels count from 1, so the
    class of a label is `classes[label - 1]`; 0 is the background. Targets have no `masks` if
    `missing_mask` names what has none.

    Args:
        root: folder of the data set.
        split: one of `splits`.
        transforms: transform of torchvision.transforms.v2, applied to image and target together.
            Default: none.

    Raises:
        ValueError: if there is no such split, or a file is damaged.
        FileNotFoundError: if a folder or a file is missing, or there is no image.
    """

    labelled_part: ClassVar[str] = "an object"  # what an image without labels does not have

    missing_mask: str | None = None  # an object or a file without masks; None if all have one

    def __init__(self, root: str | Path, split: str, transforms: Transform | None = None):
        super().__init__(root, split)
        self.transforms = transforms

    @abstractmethod
    def read_target(self, index: int, size: tuple[int, int]) -> Target:
        """Read the target of an item whose image has this (height, width)."""

    def indices_with_objects(self) -> Sequence[int]:
        """Return the indices of items with at least one object that is not a crowd.

        Here all of them: a subclass knows better if it can tell without reading the label files.
        """
        return range(len(self))

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Target]:
        pixels = load_image(self.image_paths[index])[0]
        target = self.read_target(index, (pixels.shape[1], pixels.shape[2]))
        image = tv_tensors.Image(pixels)
        return (image, target) if self.transforms is None else self.transforms(image, target)


def collate_instances(batch: Sequence[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    """Collates images that may differ in size into lists of plain tensors, for a DataLoader."""
    images, targets = zip(*batch, strict=True)
    return to_pure_tensors(list(images)), to_pure_tensors(list(targets))
