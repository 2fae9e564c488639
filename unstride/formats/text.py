"""Reads text files."""

from pathlib import Path

from unstride.formats.errors import naming_file


def read_text(path: Path) -> str:
    """Read a text file in UTF-8.

    Raises:
        ValueError: if the file is not text, or cannot be read.
        FileNotFoundError: if there is no such file.
    """
    with naming_file(path, "not a text file in UTF-8"):
        return path.read_text(encoding="utf-8")
