"""Where half types would round too much: places in pixels, sums, probabilities near their ends."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def upcast_half(tensor: Tensor) -> Tensor:
    """Half types as float32; the others as they are."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def in_full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """The function, of its tensors widened and without autocast."""

    @wraps(function)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        wide = [upcast_half(arg) if isinstance(arg, Tensor) else arg for arg in args]
        named = {k: upcast_half(v) if isinstance(v, Tensor) else v for k, v in kwargs.items()}
        tensor = next(v for v in (*wide, *named.values()) if isinstance(v, Tensor))
        with torch.autocast(tensor.device.type, enabled=False):
            return function(*wide, **named)  # type: ignore[arg-type]

    return whole
