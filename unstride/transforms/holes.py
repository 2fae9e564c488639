"""Draws random holes: boxes, brush strokes and irregular shapes, whose sizes follow the image's.

Strokes: Yu et al., ICCV 2019, arXiv:1806.03589, algorithm 1. Irregular shapes: many polylines of
which the area is limited, as the masks of Liu et al., ECCV 2018, arXiv:1804.07723, are used.
Lengths are shares of the image's sides, so that a large image has large holes.
"""

from collections.abc import Callable
from itertools import pairwise
from math import pi
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

HoleKind = Literal["box", "strokes", "irregular", "mixed"]
Size = tuple[int, int]

BOX_SIDES = 0.3, 0.5  # of a box, as shares of the image's sides
STROKES, VERTICES = (1, 4), (4, 12)  # numbers of strokes and of their vertices; ends excluded
MEAN_ANGLE, ANGLE_RANGE = 2 * pi / 5, 2 * pi / 15
STROKE_WIDTHS = 12 / 256, 40 / 256
IRREGULAR_LINES, IRREGULAR_VERTICES = (4, 11), (3, 9)
IRREGULAR_LENGTHS, IRREGULAR_WIDTHS = (20 / 256, 128 / 256), (10 / 256, 45 / 256)
IRREGULAR_AREAS, ATTEMPTS = (0.1, 0.5), 50


def random_hole(kind: HoleKind, size: Size, generator: torch.Generator) -> Bool[Tensor, "1 h w"]:
    """Draw a hole with at least one known and one unknown pixel.

    Args:
        kind: box, strokes, irregular; or mixed: a box, strokes, or both, equally often.
        size: rows and columns of the image.
        generator: generator of the random numbers.

    Raises:
        ValueError: if the image has fewer than 8 pixels a side.
    """
    if min(size) < 8:
        raise ValueError(f"size must be at least 8 pixels a side, got {size[0]}x{size[1]}")
    if kind == "mixed":
        choice = int(torch.randint(3, (), generator=generator))
        parts = [HOLES["box"]] * (choice != 1) + [HOLES["strokes"]] * (choice != 0)
    else:
        parts = [HOLES[kind]]
    is_hole = torch.zeros(size, dtype=torch.bool)
    for draw in parts:
        is_hole |= draw(size, generator)
    if not is_hole.any() or is_hole.all():  # strokes outside, or over everything
        is_hole = box_hole(size, generator)
    return is_hole[None]


def box_hole(size: Size, generator: torch.Generator) -> Bool[Tensor, "h w"]:
    """A box anywhere in the image."""
    shares = uniform(2, BOX_SIDES, generator).tolist()
    sides = [max(round(share * n), 1) for share, n in zip(shares, size, strict=True)]
    top, left = (
        int(torch.randint(n - side + 1, (), generator=generator))
        for n, side in zip(size, sides, strict=True)
    )
    is_hole = torch.zeros(size, dtype=torch.bool)
    is_hole[top : top + sides[0], left : left + sides[1]] = True
    return is_hole


def stroke_hole(size: Size, generator: torch.Generator) -> Bool[Tensor, "h w"]:
    """Some strokes of a brush, each with turns to alternating sides, mirrored at random."""
    is_hole = torch.zeros(size, dtype=torch.bool)
    diagonal, shorter = (size[0] ** 2 + size[1] ** 2) ** 0.5, min(size)
    for _ in range(integer(STROKES, generator)):
        count = integer(VERTICES, generator)
        angles = MEAN_ANGLE + uniform(count, (-ANGLE_RANGE, ANGLE_RANGE), generator)
        angles[::2] = 2 * pi - angles[::2]
        radius = diagonal / 8
        lengths = radius + radius / 2 * torch.randn(count, generator=generator)
        width = shorter * uniform(1, STROKE_WIDTHS, generator).item()
        points = polyline(size, angles, lengths.clamp(0, 2 * radius), generator)
        is_hole |= drawn_line(points, width, size)
        flips = [axis for axis in (0, 1) if torch.rand((), generator=generator) < 0.5]
        is_hole = is_hole.flip(flips)
    return is_hole


def irregular_hole(size: Size, generator: torch.Generator) -> Bool[Tensor, "h w"]:
    """Polylines in all directions, whose area lies between a tenth and a half of the image's."""
    shorter = min(size)
    for _ in range(ATTEMPTS):
        is_hole = torch.zeros(size, dtype=torch.bool)
        for _ in range(integer(IRREGULAR_LINES, generator)):
            count = integer(IRREGULAR_VERTICES, generator)
            angles = uniform(count, (0.0, 2 * pi), generator)
            lengths = shorter * uniform(count, IRREGULAR_LENGTHS, generator)
            width = shorter * uniform(1, IRREGULAR_WIDTHS, generator).item()
            is_hole |= drawn_line(polyline(size, angles, lengths, generator), width, size)
        if IRREGULAR_AREAS[0] <= is_hole.float().mean() <= IRREGULAR_AREAS[1]:
            return is_hole
    return box_hole(size, generator)


def polyline(
    size: Size,
    angles: Float[Tensor, " n"],
    lengths: Float[Tensor, " n"],
    generator: torch.Generator,
) -> Float[Tensor, "m 2"]:
    """Points (x, y) of a line that starts anywhere and turns; it is held inside the image.

    Args:
        size: rows and columns of the image.
        angles: direction of each piece, from the x axis.
        lengths: length of each piece, in pixels.
        generator: generator of the random numbers.
    """
    limits = torch.tensor([size[1], size[0]], dtype=torch.float32)
    points = [torch.rand(2, generator=generator) * limits]
    steps = lengths[:, None] * torch.stack([angles.cos(), angles.sin()], 1)
    for step in steps:
        points.append(torch.minimum((points[-1] + step).clamp(min=0), limits))
    return torch.stack(points)


def drawn_line(points: Float[Tensor, "m 2"], width: float, size: Size) -> Bool[Tensor, "h w"]:
    """The pixels whose centres are within half a width of the line, so ends and turns are round.

    Args:
        points: (x, y) in pixels.
        width: of the line, in pixels.
        size: rows and columns of the image.
    """
    is_near = torch.zeros(size, dtype=torch.bool)
    for start, end in pairwise(points):
        low, high = torch.minimum(start, end) - width / 2, torch.maximum(start, end) + width / 2
        left, top = (int(n) for n in low.floor().clamp(min=0))
        right, bottom = (int(min(n, m)) for n, m in zip(high.ceil(), size[::-1], strict=True))
        if right <= left or bottom <= top:  # outside the image
            continue
        y, x = torch.arange(top, bottom)[:, None] + 0.5, torch.arange(left, right) + 0.5
        direction = end - start
        along = (x - start[0]) * direction[0] + (y - start[1]) * direction[1]
        share = (along / direction.square().sum().clamp(min=1e-12)).clamp(0, 1)
        distance = (x - start[0] - share * direction[0]).square()
        distance = distance + (y - start[1] - share * direction[1]).square()
        window = is_near[top:bottom, left:right]
        window |= distance <= (width / 2) ** 2
    return is_near


def uniform(
    count: int, limits: tuple[float, float], generator: torch.Generator
) -> Float[Tensor, " n"]:
    """Numbers between two limits."""
    return torch.empty(count).uniform_(*limits, generator=generator)


def integer(limits: tuple[int, int], generator: torch.Generator) -> int:
    """A whole number; the upper limit is excluded."""
    return int(torch.randint(*limits, (), generator=generator))


HOLES: dict[str, Callable[[Size, torch.Generator], Tensor]] = {
    "box": box_hole, "strokes": stroke_hole, "irregular": irregular_hole,
}  # fmt: skip
