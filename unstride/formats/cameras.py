"""Reads camera intrinsics and poses from text files, and checks their numbers."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.formats.text import read_lines
from unstride.geometry import half_pixel_intrinsics


def read_tokens(path: Path, expected_layout: str) -> list[list[str]]:
    """Read the whitespace-separated tokens of each line that is not empty.

    Args:
        path: text file.
        expected_layout: layout of the data set, for the error message.

    Raises:
        ValueError: if the file is not text in UTF-8.
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected layout: {expected_layout}")
    return [line.split() for line in read_lines(path)]


def read_intrinsics(path: Path, expected_layout: str) -> Float[Tensor, "3 3"]:
    """Read a 3 x 3 matrix, and moves the centre of the first pixel from 0 to 1/2.

    Raises:
        ValueError: if the file has other numbers.
        FileNotFoundError: if there is no such file.
    """
    rows = read_tokens(path, expected_layout)
    if [len(row) for row in rows] != [3, 3, 3]:
        raise ValueError(
            f"{path}: expected a 3 x 3 matrix, got rows of lengths {[len(r) for r in rows]}"
        )
    intrinsics = torch.tensor([parse_floats(row, path) for row in rows])
    check_intrinsics(intrinsics, path)
    return half_pixel_intrinsics(intrinsics)


def check_intrinsics(intrinsics: Float[Tensor, "3 3"], path: Path) -> None:
    """Check the numbers of a camera matrix.

    Raises:
        ValueError: if one is not finite, or a focal length is not above 0; names the file.
    """
    if not intrinsics.isfinite().all() or not (intrinsics.diagonal() > 0).all():
        focal_lengths = intrinsics.diagonal()[:2].tolist()
        raise ValueError(
            f"{path}: focal lengths must be above 0 and all numbers finite, got {focal_lengths}"
        )


def read_calibration(
    path: Path, key: str, expected_layout: str, *, count: int
) -> Float[Tensor, " n"]:
    """Read the numbers of one line of a calibration file.

    Args:
        path: calibration file.
        key: first token of the line, with its colon, such as "P2:".
        expected_layout: layout of the data set, for the error message.
        count: number of numbers that the line must have.

    Raises:
        ValueError: if there is no such line, or it has another number of numbers.
        FileNotFoundError: if there is no such file.
    """
    rows = {row[0]: row[1:] for row in read_tokens(path, expected_layout)}
    if key not in rows:
        raise ValueError(f"{path}: no line {key}")
    if len(rows[key]) != count:
        raise ValueError(f"{path}: line {key} has {len(rows[key])} numbers, expected {count}")
    return torch.tensor(parse_floats(rows[key], path))


def parse_pose(tokens: list[str], path: Path) -> Float[Tensor, "4 4"]:
    """Parse a pose from its 3 x 4 numbers, row by row.

    Raises:
        ValueError: if they are not 12 numbers.
    """
    if len(tokens) != 12:
        raise ValueError(f"{path}: a row has {len(tokens)} numbers, but a pose has 12")
    pose = torch.eye(4)
    pose[:3] = torch.tensor(parse_floats(tokens, path)).view(3, 4)
    return pose


def parse_floats(tokens: list[str], path: Path) -> list[float]:
    """Parse tokens as numbers.

    Raises:
        ValueError: if one is not a number; names the file and the token.
    """
    try:
        return [float(token) for token in tokens]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
