"""Reads published state dicts from files and checks their entries; knows no operator."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

StateDict = Mapping[str, Tensor]


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors in a file by name; of a checkpoint, those of its "state_dict" or "model".

    Raises:
        ValueError: if the file cannot be read without running code, or holds no tensors by name.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} holds no tensors that can be read without running its code "
            f"({type(error).__name__}); save the model's state_dict()"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} must hold tensors by name, got a {type(content).__name__}")
    return {k: v for k, v in content.items() if isinstance(v, Tensor)}


def check_state_dict(state_dict: StateDict, expected_shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that a state dict has exactly the expected entries, each of the expected shape.

    Raises:
        ValueError: if it does not; the message names the first entry that is wrong.
    """
    for key, shape in expected_shapes.items():
        if key not in state_dict:
            raise ValueError(f"the file must hold {key} of shape {shape}, but it has no such entry")
        if tuple(state_dict[key].shape) != shape:
            raise ValueError(f"{key} must be of shape {shape}, got {tuple(state_dict[key].shape)}")
    for key in state_dict:
        if key not in expected_shapes:
            raise ValueError(
                f"the file must not contain {key}, only "
                f"the {len(expected_shapes)} published entries"
            )


def tensor_shape(state_dict: StateDict, key: str) -> tuple[int, ...]:
    """The shape of an entry.

    Raises:
        ValueError: if there is no such entry.
    """
    if key not in state_dict:
        raise ValueError(f"the file must hold {key}, but it has no such entry")
    return tuple(state_dict[key].shape)
