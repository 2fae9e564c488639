"""Reads state dicts from files of safetensors and of torch, without running code from the file."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from unstride.formats.errors import naming_file

MAX_DEPTH = 2  # checkpoints hold their state dict at this many levels of names at most


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read tensors by name from a safetensors file, or a file that torch wrote.

    The content decides which of the two it is, not the suffix (.pth, .pt, .bin, .ckpt). A file of
    torch may also be a checkpoint that holds one state dict under a name such as "model", among
    other things.

    Raises:
        ValueError: if the file is missing or damaged, holds no state dict or several, or could
            only be read by running code from it.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if _is_safetensors(path):
        with naming_file(path, "damaged"):
            return load_file(path)
    return _only_state_dict(_load_with_torch(path), path)


def _is_safetensors(path: Path) -> bool:
    """Whether JSON begins after eight bytes, which give its length."""
    with naming_file(path, "damaged"), open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _load_with_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")  # torch's, about files that are refused below
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # each of its formats has its own errors
        raise ValueError(
            f"{path}: holds no state dict that can be read without running code from the file "
            f"({type(error).__name__}); save the model's state_dict()"
        ) from None


def _only_state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in the content of a file: the content, or the only one inside.

    Raises:
        ValueError: if there is none, or more than one.
    """
    found = dict(_state_dicts(content))
    if len(found) > 1:
        names = ", ".join(name or "top level" for name in found)
        raise ValueError(f"{path}: must hold a single state dict, got several: {names}")
    if not found:
        kind = type(content).__name__
        raise ValueError(f"{path}: expected a state dict, tensors by name, got a {kind}")
    return next(iter(found.values()))


def _state_dicts(
    content: Any, name: str = "", depth: int = 0
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The dotted names and the tensors of mappings that hold tensors: this one, those inside."""
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        return
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if any(tensor.ndim for tensor in tensors.values()):  # scalars alone are scores or counters
        yield name, tensors
    if depth < MAX_DEPTH:
        for key, value in content.items():
            yield from _state_dicts(value, f"{name}.{key}" if name else key, depth + 1)
