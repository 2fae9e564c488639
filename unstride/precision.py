"""Avoids half types where they round too much: pixel coordinates, sums, extreme probabilities."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def upcast_half(tensor: Tensor) -> Tensor:
    """Convert half types to float32; tensors of other types are returned as they are."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def in_full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that it gets half types as float32 and runs without autocast."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        upcast = [upcast_half(arg) if isinstance(arg, Tensor) else arg for arg in args]
        options = {k: upcast_half(v) if isinstance(v, Tensor) else v for k, v in kwargs.items()}
        tensor = next(v for v in (*upcast, *options.values()) if isinstance(v, Tensor))
        with torch.autocast(tensor.device.type, enabled=False):
            return function(*upcast, **options)  # type: ignore[arg-type]

    return wrapper
