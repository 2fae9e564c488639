"""Reads text files such as lists of names or numbers: UTF-8, on every system."""

from pathlib import Path


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file that are not empty, without the space around them.

    A byte order mark, which some editors of Windows write, is skipped.

    Raises:
        ValueError: if the file is not UTF-8.
        FileNotFoundError: if there is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8") from None
    return [stripped for line in text.splitlines() if (stripped := line.strip())]
