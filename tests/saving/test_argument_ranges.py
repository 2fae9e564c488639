"""Annotations declare ranges; what lies outside them is refused before a function runs."""

import math
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import (
    ChannelDivisor,
    DropoutRate,
    Finite,
    Fraction,
    Fractions,
    OddInt,
    PixelSize,
    PositiveFloat,
    PositiveInt,
    PositiveInterval,
    PositiveInts,
    Whole,
)

Multiple = Annotated[int, Whole(16, multiple_of=16)]
Byte = Annotated[int, Whole(0, 255)]
Exponent = Annotated[float, Finite(minimum=-2.0, maximum=80.0)]


def refusal(annotation: Any, value: Any, default: Any = ...) -> str:
    """The sentence with which a function refuses an argument; empty if it takes it."""

    def take(x, channels=12):
        return x

    take.__annotations__ = {"x": annotation}
    if default is not ...:
        take.__defaults__ = default, 12
    try:
        assert checked(take)(value) is value
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("annotation", "fits", "requirement", "does_not"),
    [
        (PositiveInt, [1, 7, np.int64(3)], "be at least 1", [0, -1]),
        (PositiveInt, [], "be a whole number", [2.0, "3", None, True, math.nan]),
        (OddInt, [1, 3], "be odd and at least 1", [0, 2, -1]),
        (Multiple, [16, 32], "be a multiple of 16, at least 16", [0, 8, 17, -16]),
        (Byte, [0, 255], "be between 0 and 255", [-1, 256]),
        (ChannelDivisor, [1, 3, 12], "divide the 12 channels", [0, -3, 5, 24]),
        (PositiveFloat, [1e-9, 2, np.float32(0.5)], "be above 0", [0, 0.0, -1]),
        (PositiveFloat, [], "be a finite number", [math.nan, math.inf, "3", None, True]),
        (Fraction, [0, 1, 0.5], "be between 0 and 1", [-0.1, 1.1]),
        (DropoutRate, [0, 0.9], "be at least 0 and below 1", [1, -0.1]),
        (Exponent, [-2, 80.0], "be between -2 and 80", [-3, 81]),
        (Literal["lp", "pl"], ["lp"], "be one of lp, pl", ["pp", 3, None]),
        (bool, [True, False], "be true or false", ["yes", 2, None]),
        (PixelSize, [(4, 5), [1, 1]], "be (height, width) in pixels, both at least 1",
         [448, (448,), (4, 0), (4.0, 5), "44", None, (1, 2, 3)]),
        (PositiveInts, [(1,), [4, 8]], "each be at least 1", [(0,), (4, -8)]),
        (PositiveInts, [], "have at least one value", [(), []]),
        (PositiveInts, [], "be a list", [4, "48"]),
        (Fractions, [(0.5, 1)], "each be between 0 and 1", [(0.5, 2)]),
        (PositiveInterval, [(1, 1), [0.5, 2]], "be a minimum and a maximum above 0",
         [(2, 1), (0, 1), (1,), 3, (1, math.inf), ("a", "b")]),
    ],
)  # fmt: skip
def test_each_range_takes_what_lies_in_it_and_says_what_it_wants(
    annotation, fits, requirement, does_not
):
    assert [refusal(annotation, value) for value in fits] == [""] * len(fits)
    for value in does_not:
        assert refusal(annotation, value) == f"x must {requirement}, got {value!r}"
