"""Reads the labels of YOLO: a text file for each image, with a box on each line.

A line is a class number, then the box's centre (column, row), width and height, as shares of the
image. https://docs.ultralytics.com/datasets/detect
"""

from pathlib import Path
from typing import NamedTuple

from unstride.formats.text import read_lines

TOLERANCE = 0.001  # by which rounding may put a box beyond the image, as a share of it
NUMBERS_PER_LINE = 5


class NumberedBox(NamedTuple):
    """An object: its class number and its box, XYXY as shares of the image's width and height."""

    number: int
    box: tuple[float, float, float, float]


def read_yolo_boxes(path: Path) -> list[NumberedBox]:
    """Read the boxes in a label file; an empty file has none.

    Raises:
        ValueError: if a line is not a class number and a box inside the image.
        FileNotFoundError: if there is no such file.
    """
    return [_box_in_line(path, number, line) for number, line in enumerate(read_lines(path), 1)]


def _box_in_line(path: Path, line_number: int, line: str) -> NumberedBox:
    words = line.split()
    where = f"{path}: line {line_number}"
    if len(words) != NUMBERS_PER_LINE:
        raise ValueError(
            f"{where}: expected a class and 4 numbers of a box, got {len(words)} words; polygons "
            "are not read"
        )
    try:
        number, (x, y, width, height) = int(words[0]), (float(word) for word in words[1:])
    except ValueError:
        raise ValueError(f"{where}: expected numbers, got {line!r:.60}") from None
    box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if not all(-TOLERANCE <= v <= 1 + TOLERANCE for v in box) or width < 0 or height < 0:
        raise ValueError(f"{where}: a box must be in shares of the image, 0 to 1, got {line!r:.60}")
    return NumberedBox(number, box)
