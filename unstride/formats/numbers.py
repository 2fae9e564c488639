"""Converts texts in files to numbers that are finite and of a sensible size."""

from collections.abc import Sequence
from pathlib import Path

MAX_COORDINATE = 1e6  # in pixels; larger ones are taken for damage


def checked_numbers(path: Path, texts: Sequence[str | None]) -> list[float]:
    """Convert texts to numbers.

    Args:
        path: the file, for error messages.
        texts: the texts; None for one that is missing.

    Raises:
        ValueError: if one is missing, no number, or not between plus and minus MAX_COORDINATE.
    """
    return [_checked_number(path, text) for text in texts]


def _checked_number(path: Path, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not abs(value) < MAX_COORDINATE:  # NaN is not
        raise ValueError(f"{path}: expected a number of pixels, got {text!r:.60}")
    return value
