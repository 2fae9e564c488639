"""TODO."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def check_state_dict(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a state_dict that is not the published one, in a sentence with the first such key."""
    for key, shape in shapes.items():
        if key not in state:
            raise ValueError(f"the file must hold {key} of shape {shape}, but it has no such entry")
        if tuple(state[key].shape) != shape:
            raise ValueError(f"{key} must be of shape {shape}, got {tuple(state[key].shape)}")
    for key in state:
        if key not in shapes:
            raise ValueError(f"{key} is no entry of the published file, which has {len(shapes)}")


StateDict = Mapping[str, Tensor]


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a file, by name; those of a checkpoint's "state_dict" or "model"."""
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} holds no tensors that can be read without running its code "
            f"({type(error).__name__}); save the model's state_dict()"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping):
        raise ValueError(f"{path} must hold tensors by name, got a {type(held).__name__}")
    return {k: v for k, v in held.items() if isinstance(v, Tensor)}


def tensor_shape(state: StateDict, key: str) -> tuple[int, ...]:
    """The shape of an entry.

    Raises:
        ValueError: if the file has no such entry.
    """
    if key not in state:
        raise ValueError(f"the file must hold {key}, but it has no such entry")
    return tuple(state[key].shape)
