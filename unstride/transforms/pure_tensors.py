"""Removes tv_tensors from a sample before it goes to a network."""

from collections.abc import Mapping
from typing import Any

import torch
from torchvision import tv_tensors


def to_pure_tensors(sample: Any) -> Any:
    """Convert the tv_tensors of a nested sample to tensors: their rules cost time in networks."""
    if isinstance(sample, tv_tensors.TVTensor):
        return sample.as_subclass(torch.Tensor)
    if isinstance(sample, Mapping):
        return {name: to_pure_tensors(value) for name, value in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(to_pure_tensors(value) for value in sample))
    if isinstance(sample, tuple | list):
        return type(sample)(to_pure_tensors(value) for value in sample)
    return sample
