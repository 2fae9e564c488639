"""Reads YAML files. The only module that uses PyYAML."""

from pathlib import Path
from typing import Any

from unstride.formats.errors import naming_file

MAX_BYTES = 1_000_000  # of a file; lists of names are far smaller


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values: lists, mappings, texts and numbers.

    Raises:
        ValueError: if the file is not YAML, not UTF-8, larger than MAX_BYTES, or has aliases, with
            which a few lines can stand for any number of values.
        FileNotFoundError: if there is no such file.
    """
    import yaml

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: must have at most {MAX_BYTES} bytes, got {size}")
    with naming_file(path, "not valid YAML"):
        text = path.read_text(encoding="utf-8-sig")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("aliases such as *a are not read")
        return yaml.safe_load(text)
