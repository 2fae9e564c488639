"""Checks the arguments of the operations and raises errors that say what is wrong."""

from typing import Any

from torch import Tensor


def check_reassemble(features: Tensor, weights: Tensor) -> None:
    """Raise a ValueError if `reassemble` cannot take these arguments."""
    _check_image("features", features)
    _check_weights("weights", weights)
    _check_same_device_and_batch("features", features, "weights", weights)
    _check_divisible("features", features, weights.shape[1])


def check_correlate(queries: Tensor, keys: Tensor, kernel_size: int, groups: int) -> None:
    """Raise a ValueError if `correlate` cannot take these arguments."""
    _check_image("queries", queries)
    _check_image("keys", keys)
    _check_same_device_and_batch("queries", queries, "keys", keys)
    if queries.shape[1] != keys.shape[1]:
        raise ValueError(
            f"keys must have as many channels as queries ({queries.shape[1]}), "
            f"got shape {tuple(keys.shape)}"
        )
    for name, value in (("kernel_size", kernel_size), ("groups", groups)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    _check_divisible("queries", queries, groups)


def check_scatter(values: Tensor, weights: Tensor, size: tuple[int, int]) -> None:
    """Raise a ValueError if `scatter` cannot take these arguments."""
    _check_image("values", values)
    _check_weights("weights", weights)
    _check_same_device_and_batch("values", values, "weights", weights)
    _check_divisible("values", values, weights.shape[1])
    if tuple(values.shape[2:]) != tuple(weights.shape[4:]):
        raise ValueError(
            f"values must have the grid of the weights, {tuple(weights.shape[4:])}, "
            f"got shape {tuple(values.shape)}"
        )
    check_size(size, minimum=0)


def check_size(size: Any, *, minimum: int = 1) -> None:
    """Raise a ValueError if a size is not a pair of whole numbers (height, width) in pixels."""
    is_pair = isinstance(size, tuple | list) and len(size) == 2
    # numbers that stand for a size while a compiler or an exporter traces have __index__ too
    if not is_pair or not all(hasattr(type(n), "__index__") and n >= minimum for n in size):
        raise ValueError(f"size must be (height, width) in pixels, got {size!r}")


def _check_image(name: str, tensor: Tensor) -> None:
    if tensor.ndim != 4:
        raise ValueError(
            f"{name} must be (batch, channels, height, width), got shape {tuple(tensor.shape)}"
        )
    if not tensor.is_floating_point():
        raise ValueError(f"{name} must have a floating-point type, got {tensor.dtype}")


def _check_weights(name: str, tensor: Tensor) -> None:
    if tensor.ndim != 6 or tensor.shape[2] != tensor.shape[3] or tensor.shape[2] < 1:
        raise ValueError(
            f"{name} must be (batch, groups, k, k, height, width), got shape {tuple(tensor.shape)}"
        )


def _check_same_device_and_batch(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    if tensor.device != other.device or tensor.dtype != other.dtype:
        raise ValueError(
            f"{other_name} must be {tensor.dtype} on {tensor.device} like {name}, "
            f"got {other.dtype} on {other.device}"
        )
    if tensor.shape[0] != other.shape[0]:
        raise ValueError(
            f"{other_name} must have the batch size of {name} ({tensor.shape[0]}), "
            f"got shape {tuple(other.shape)}"
        )


def _check_divisible(name: str, tensor: Tensor, groups: int) -> None:
    if groups < 1 or tensor.shape[1] % groups:
        raise ValueError(
            f"{name} must have a multiple of {groups} channels, the same number in each group, "
            f"got shape {tuple(tensor.shape)}"
        )
