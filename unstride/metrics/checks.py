"""Checks that the inputs of a metric fit together."""

from collections.abc import Sequence


def check_same_size(
    first: Sequence[int], second: Sequence[int], names: str = "prediction and target"
) -> None:
    """Check that two tensors have the same size.

    Args:
        first: size of the first tensor.
        second: size of the second tensor.
        names: names of the two tensors, for the error message.

    Raises:
        ValueError: if the sizes differ.
    """
    if tuple(first) != tuple(second):
        raise ValueError(f"{names} must have the same size, got {tuple(first)} and {tuple(second)}")
