"""The device on which a module runs."""

import torch
from torch import nn


def module_device(module: nn.Module) -> torch.device:
    """Return the device of a module's first parameter, or the CPU if it has no parameter."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
