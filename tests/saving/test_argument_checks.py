"""What annotations declare is checked before a function runs, for dataclasses too."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from torch import nn

from tests.saving.test_argument_ranges import refusal
from unstride.saving.argument_checks import (
    check_fields,
    check_option_names,
    check_options,
    checked,
)
from unstride.saving.argument_ranges import ChannelDivisor, OddInt, PositiveFloat, PositiveInt


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
