"""Loads a backbone's weights from a file."""

from pathlib import Path

from torch import nn

from unstride.formats.state_dict import read_state_dict


def load_weights_file(model: nn.Module, path: Path) -> None:
    """Load a file that has all tensors of a model; what else it has, such as a head, is left out.

    Raises:
        ValueError: if it lacks a tensor, or one has another shape.
    """
    given, own = read_state_dict(path), model.state_dict()
    if missing := sorted(own.keys() - given.keys()):
        raise ValueError(f"{path} lacks {len(missing)} tensors of the model, such as {missing[0]}")
    for key, tensor in own.items():
        if given[key].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)}, got {tuple(given[key].shape)}"
            raise ValueError(f"{path}: {key} must be of shape {shapes}")
    model.load_state_dict({key: given[key] for key in own})
