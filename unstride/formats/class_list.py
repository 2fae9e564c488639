"""Reads the classes of a data set: names, numbers in label files, and colours if there are any.

A text file has a class on each line, numbered from 0: `road`, or `road 128 64 128` with the colour
of its pixels, 0 to 255. Lines that start with # are comments. A YAML file has a list of names, or a
mapping from numbers to names, alone or under the key `names`. An entry with a colour is written
`{name: road, colour: [128, 64, 128]}`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unstride.formats.text import read_lines
from unstride.formats.yaml import read_yaml

YAML_SUFFIXES = (".yaml", ".yml")
UNLABELLED_NAMES = ("unlabelled", "unlabeled", "void", "ignore")  # pixels of these have no class
LINE_WITH_COLOUR = re.compile(r"(.*[^\s,])[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\d+)")
MAX_NUMBER = 65535  # of a class, in label files of 16 bits

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255


class ListedClass(NamedTuple):
    """A class of a list: its name, its number in label files, and its colour there or None."""

    name: str
    number: int
    colour: Colour | None = None

    @property
    def is_unlabelled(self) -> bool:
        """Whether its name says that its pixels have no class, such as void."""
        return self.name.lower() in UNLABELLED_NAMES


def read_class_list(path: Path) -> list[ListedClass]:
    """Read the classes in a text or YAML file, in the order of their numbers.

    Raises:
        ValueError: if the file is no such list, has no class, or two with the same name, number or
            colour; or if only some classes have a colour.
        FileNotFoundError: if there is no such file.
    """
    if path.suffix.lower() in YAML_SUFFIXES:
        listed = _classes_in_yaml(path, read_yaml(path))
    else:
        lines = [line for line in read_lines(path) if not line.startswith("#")]
        listed = [_class_in_line(path, number, line) for number, line in enumerate(lines)]
    _check_classes(path, listed)
    return sorted(listed, key=lambda c: c.number)


def _class_in_line(path: Path, number: int, line: str) -> ListedClass:
    if match := LINE_WITH_COLOUR.fullmatch(line):
        return ListedClass(
            match[1], number, _checked_colour(path, [int(v) for v in match.groups()[1:]])
        )
    return ListedClass(line, number)


def _classes_in_yaml(path: Path, content: Any) -> list[ListedClass]:
    if isinstance(content, Mapping) and "names" in content:
        content = content["names"]
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{path}: expected a list of class names, or numbers with names, "
            f"got {type(content).__name__}"
        )
    return [_class_in_entry(path, number, entry) for number, entry in content.items()]


def _class_in_entry(path: Path, number: Any, entry: Any) -> ListedClass:
    if type(number) is not int or not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{path}: a class number must be in 0..{MAX_NUMBER}, got {number!r}")
    colour = None
    if isinstance(entry, Mapping):
        unknown = [key for key in entry if key not in ("name", "colour", "color")]
        if unknown:
            raise ValueError(f"{path}: class {number} has the unknown key {unknown[0]!r}")
        colour = entry.get("colour", entry.get("color"))
        entry = entry.get("name")
    if not isinstance(entry, str) or not entry.strip():
        raise ValueError(f"{path}: class {number} must have a name, got {entry!r:.60}")
    return ListedClass(
        entry.strip(), number, None if colour is None else _checked_colour(path, colour)
    )


def _checked_colour(path: Path, colour: Any) -> Colour:
    is_rgb = isinstance(colour, list) and len(colour) == 3
    if not is_rgb or not all(type(v) is int and 0 <= v <= 255 for v in colour):
        raise ValueError(f"{path}: a colour must be three numbers in 0..255, got {colour!r:.60}")
    red, green, blue = colour
    return red, green, blue


def _check_classes(path: Path, listed: list[ListedClass]) -> None:
    if all(c.is_unlabelled for c in listed):
        raise ValueError(f"{path}: expected the name of at least one class, got none")
    colours = [c.colour for c in listed if c.colour is not None]
    _refuse_repeated(path, "name", [c.name for c in listed])
    _refuse_repeated(path, "colour", colours)
    if colours and len(colours) < len(listed):
        missing = next(c.name for c in listed if c.colour is None)
        raise ValueError(f"{path}: all classes or none must have a colour, {missing} has none")


def _refuse_repeated(path: Path, what: str, values: Sequence[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{path}: two classes have the {what} {value}")
        seen.add(value)
