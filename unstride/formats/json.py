"""Reads JSON files with checked fields, and converts values that JSON cannot hold."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from unstride.formats.errors import naming_file

MAX_QUOTED_LENGTH = 60  # characters of a value that an error message quotes


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        ValueError: if the file is not JSON, or not an object.
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with naming_file(path, "not valid JSON"):
        content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def typed_field(path: Path, record: Mapping[str, Any], name: str, expected_type: type) -> Any:
    """Return a field of a JSON object, checked for its type.

    Args:
        path: the file, for error messages.
        record: the object.
        name: key of the field.
        expected_type: type that the value must have.

    Raises:
        ValueError: if the field is missing or of another type.
    """
    if name not in record:
        raise ValueError(f"{path}: an object has no {name!r}: {_abbreviated(record)}")
    value = record[name]
    if not isinstance(value, expected_type):
        raise ValueError(
            f"{path}: {name!r} must be {expected_type.__name__}, got {_abbreviated(value)}"
        )
    return value


def object_list(path: Path, record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a field that must be a list of objects; arguments as in `typed_field`.

    Raises:
        ValueError: if the field is missing, or anything else.
    """
    objects = typed_field(path, record, name, list)
    for item in objects:
        if not isinstance(item, dict):
            raise ValueError(
                f"{path}: {name!r} must contain JSON objects, got {_abbreviated(item)}"
            )
    return objects


def _abbreviated(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[: MAX_QUOTED_LENGTH - 3]}..."


def nan_to_none(content: Any) -> Any:
    """Replace NaN and infinity by None, at any depth: JSON has no such numbers."""
    if isinstance(content, dict):
        return {name: nan_to_none(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [nan_to_none(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def json_default(value: Any) -> str:
    """Convert a value that JSON has no type for, as `default` of `json.dumps`.

    Classes and functions become their names, which are the same in every run; an address is not.
    """
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    return type(value).__qualname__ if callable(value) else str(value)
