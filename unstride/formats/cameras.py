"""Reading intrinsics and poses: rows of numbers in text files, and what is wrong with them."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.geometry import half_pixel_intrinsics


def read_tokens(path: Path, layout: str) -> list[list[str]]:
    """The words of each line that has any.

    Raises:
        FileNotFoundError: if there is no such file; `layout` says what is expected.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected is {layout}")
    return [line.split() for line in path.read_text().splitlines() if line.strip()]


def read_intrinsics(path: Path, layout: str) -> Float[Tensor, "3 3"]:
    """The matrix of a file of 3 x 3 numbers, with the first pixel's centre moved to 1/2.

    Raises:
        ValueError: if there are others.
        FileNotFoundError: if there is no such file.
    """
    rows = read_tokens(path, layout)
    if [len(row) for row in rows] != [3, 3, 3]:
        raise ValueError(f"{path}: a 3 x 3 matrix is expected")
    return half_pixel_intrinsics(torch.tensor([parse_floats(row, path) for row in rows]))


def read_calibration(path: Path, name: str, layout: str, *, count: int) -> Float[Tensor, " n"]:
    """The numbers of a calibration's line of that name.

    Args:
        path: of the calibration.
        name: with its colon, such as "P2:".
        layout: what is expected where there is no such file.
        count: how many there must be.

    Raises:
        ValueError: if there is no such line, or not so many numbers in it.
        FileNotFoundError: if there is no such file.
    """
    rows = {row[0]: row[1:] for row in read_tokens(path, layout)}
    if name not in rows:
        raise ValueError(f"{path}: no line {name}")
    if len(rows[name]) != count:
        raise ValueError(f"{path}: {name} and {len(rows[name])} numbers, not {count}")
    return torch.tensor(parse_floats(rows[name], path))


def parse_pose(words: list[str], path: Path) -> Float[Tensor, "4 4"]:
    """A pose from its 3 x 4 numbers, row by row.

    Raises:
        ValueError: if they are no 12 numbers.
    """
    if len(words) != 12:
        raise ValueError(f"{path}: {len(words)} numbers; a pose has 12")
    pose = torch.eye(4)
    pose[:3] = torch.tensor(parse_floats(words, path)).view(3, 4)
    return pose


def parse_floats(words: list[str], path: Path) -> list[float]:
    """The words as numbers.

    Raises:
        ValueError: with the file and the word, if one is no number.
    """
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
