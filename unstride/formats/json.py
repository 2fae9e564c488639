"""JSON from disk, never trusted: what is missing or of the wrong kind is said with the file."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: if it is no JSON, or no object.
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON that can be read ({error})") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path}: expected is an object, found {type(document).__name__}")
    return document


def typed_field(path: Path, entry: Mapping[str, Any], name: str, kind: type) -> Any:
    """A field of an entry.

    Raises:
        ValueError: if it is missing or of another kind.
    """
    if name not in entry:
        raise ValueError(f"{path}: an entry lacks {name!r}: {_abbreviated(entry)}")
    value = entry[name]
    if not isinstance(value, kind):
        raise ValueError(f"{path}: {name!r} is {_abbreviated(value)}, expected is {kind.__name__}")
    return value


def object_list(path: Path, entry: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects of an entry.

    Raises:
        ValueError: if it is missing, or anything else.
    """
    found = typed_field(path, entry, name, list)
    for item in found:
        if not isinstance(item, dict):
            raise ValueError(f"{path}: {name!r} holds {_abbreviated(item)}, expected are objects")
    return found


def _abbreviated(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nan_to_none(content: Any) -> Any:
    """With None in the place of what JSON has no number for."""
    if isinstance(content, dict):
        return {name: nan_to_none(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [nan_to_none(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def json_default(value: Any) -> str:
    """What JSON has no kind for: a class or a function by its name, which stays from run to run."""
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    return type(value).__qualname__ if callable(value) else str(value)
