"""Reads text files such as lists of names or numbers: UTF-8, on every system."""

from pathlib import Path

from unstride.formats.errors import naming_file


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file that are not empty, without the space around them.

    A byte order mark, which some editors of Windows write, is skipped.

    Raises:
        ValueError: if the file is not UTF-8, or cannot be read.
        FileNotFoundError: if there is no such file.
    """
    with naming_file(path, "not a text file in UTF-8"):
        text = path.read_text(encoding="utf-8-sig")
    return [stripped for line in text.splitlines() if (stripped := line.strip())]
