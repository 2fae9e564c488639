"""Annotations declare ranges; what lies outside them is refused before a function runs."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from torch import nn

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
    check_fields,
    check_option_names,
    check_options,
    checked,
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


def test_none_is_taken_where_the_type_or_the_default_says_so():
    assert refusal(PositiveInt | None, None) == ""
    assert refusal(PositiveInt | None, 0) == "x must be at least 1, got 0"
    assert refusal(Literal["a"] | None, None) == ""
    assert refusal(bool, None, default=None) == ""  # a sloppy annotation
    assert refusal(PositiveInt, 0, default=None) == "x must be at least 1, got 0"


@pytest.mark.parametrize(
    "annotation", [int, str, "PositiveInt", Annotated[int, "a number"], int | str, list[int], None]
)
def test_what_declares_no_range_is_not_looked_at(annotation):
    assert [refusal(annotation, value) for value in (0, -1, "word", None)] == [""] * 4


def test_defaults_and_positions_are_bound():
    @checked
    def make(channels: PositiveInt, groups: ChannelDivisor = 4, *, scale: PositiveInt = 2):
        return channels, groups, scale

    assert make(8) == (8, 4, 2)
    with pytest.raises(ValueError, match="groups must divide the 6 channels, got 4"):
        make(6)
    with pytest.raises(ValueError, match="scale must be at least 1, got 0"):
        make(8, 2, scale=0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'channels'"):
        make()
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        make(8, colour=1)


def test_a_dataclass_checks_its_fields_and_those_of_its_parents():
    @dataclass(frozen=True)
    class Parent:
        steps: PositiveInt = 1
        name: str = "run"

        def __post_init__(self):
            check_fields(self)

    @dataclass(frozen=True)
    class Child(Parent):
        rate: PositiveFloat | None = None

    assert Child(steps=2, rate=0.5).rate == 0.5
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        Child(steps=0)
    with pytest.raises(ValueError, match="rate must be above 0, got 0"):
        Child(rate=0)


class Layer(nn.Module):
    """A layer with two options."""

    def __init__(self, channels: PositiveInt, *, side: OddInt = 3, norm: bool = True):
        super().__init__()


def test_options_that_do_not_exist_are_listed_with_those_that_do():
    check_option_names(Layer, ["side", "norm"], "layer")
    with pytest.raises(ValueError, match=r"^layer has no option size, only side, norm$"):
        check_option_names(Layer, ["size", "norm"], "layer")
    with pytest.raises(ValueError, match="layer has no option channels, only side"):
        check_option_names(Layer, ["channels"], "layer")
    with pytest.raises(ValueError, match=r"it has none$"):
        check_option_names(nn.Identity.forward, ["size"], "identity")


def test_what_takes_any_option_refuses_only_its_positional_ones():
    def make(name, *, variant="a", **options):
        return name, variant, options

    check_option_names(make, ["anything", "variant"], "make")
    with pytest.raises(ValueError, match="make has no option name, only variant"):
        check_option_names(make, ["name"], "make")


def test_options_for_later_are_checked_now():
    check_options(Layer, {"side": 5}, "layer")
    with pytest.raises(ValueError, match="side must be odd and at least 1, got 4"):
        check_options(Layer, {"side": 4}, "layer")
    with pytest.raises(ValueError, match="layer has no option size"):
        check_options(Layer, {"size": 4}, "layer")
