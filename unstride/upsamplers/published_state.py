"""Checks the entries of published state dicts; knows no operator."""

from collections.abc import Mapping

from torch import Tensor

StateDict = Mapping[str, Tensor]


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
