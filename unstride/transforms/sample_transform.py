"""Applies torchvision transforms to images and labels that are plain tensors."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from unstride.transforms.pure_tensors import to_pure_tensors


class SampleTransform:
    """Transforms an image and its labels alike.

    Args:
        transform: transform of torchvision.transforms.v2.
        wrap_labels: returns the labels as tv_tensors, which tell the transform their kind.
    """

    def __init__(self, transform: v2.Transform, wrap_labels: Callable[[Any], Any]):
        self.transform, self.wrap_labels = transform, wrap_labels

    def __call__(self, image: Tensor, labels: Any) -> Any:
        """Return both as plain tensors."""
        return to_pure_tensors(self.transform(tv_tensors.Image(image), self.wrap_labels(labels)))
