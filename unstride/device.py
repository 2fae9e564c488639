"""Chooses the device to compute on, and finds that of a module."""

import torch
from torch import nn


def default_device(name: str | None = None) -> torch.device:
    """The named device. Default: the GPU if there is one, else the CPU.

    Args:
        name: a device of torch, such as "cpu" or "cuda:1".

    Raises:
        RuntimeError: if torch knows no such device.
    """
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def module_device(module: nn.Module) -> torch.device:
    """The device of a module's first parameter, or the CPU if it has no parameter."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
