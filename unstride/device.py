"""Chooses the device to compute on."""

import torch


def default_device(name: str | None = None) -> torch.device:
    """The named device. Default: the GPU if there is one, else the CPU.

    Args:
        name: a device of torch, such as "cpu" or "cuda:1".

    Raises:
        RuntimeError: if torch knows no such device.
    """
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
