"""Every option of every operator is declared, and checked where the operator is made."""

import math
import random
from inspect import Parameter, signature
from typing import Any

import pytest
import torch

from unstride import create_downsampler, create_upsampler
from unstride.saving.argument_checks import declared_ranges
from unstride.saving.argument_ranges import Finite, OneOf, Whole
from unstride.upsamplers import Downsampler, FeatUpImplicit, FeatUpStack, Reassembly
from unstride.upsamplers.bilateral_stack import BilateralStack
from unstride.upsamplers.by_name import DOWNSAMPLERS, PAIRS, UPSAMPLERS

OPERATORS: dict[str, Any] = {
    **{name: cls for name, cls in UPSAMPLERS.items() if name != "featup_jbu"},
    "featup_jbu": BilateralStack, "featup_jbu paper": FeatUpStack,
    "featup_implicit": FeatUpImplicit, **DOWNSAMPLERS,
    **{f"pair {name}": cls for name, cls in PAIRS.items()},
}  # fmt: skip
every = pytest.mark.parametrize("name", OPERATORS)

DRAWS = 16  # sets of options for each operator
IMPOSSIBLE = [0, -1, 2.5, math.nan, math.inf, "3", [3], True, "nonsense", None]
GRID = 4, 3


@every
def test_every_option_declares_its_range(name):
    ranges = declared_ranges(OPERATORS[name].__init__)
    for parameter in list(signature(OPERATORS[name]).parameters.values()):
        assert parameter.name in ranges, f"{name}: {parameter.name} has no range"
        assert parameter.kind is not Parameter.VAR_KEYWORD


@every
def test_random_options_give_the_right_size_or_a_sentence_that_names_them(name):
    draw = random.Random(name)
    outcomes = [try_options(name, draw) for _ in range(DRAWS)]
    assert "made" in outcomes
    assert "refused" in outcomes


def try_options(name: str, draw: random.Random) -> str:
    """Build and run an operator with random options: made, refused or does not fit together."""
    cls = OPERATORS[name]
    options = random_options(cls, draw)
    wrong = [n for n in options if is_impossible(cls, n, options)]
    operator, message = made_or_message(cls, options)
    if operator is None:
        assert "\n" not in message
        assert any(option in message for option in wrong or options)
        return "refused" if wrong else "does not fit together"
    assert not wrong, f"{name} was made with {options}"
    check_result(operator, draw)
    return "made"


def made_or_message(cls: Any, options: dict[str, Any]) -> tuple[Any, str]:
    """The operator, or the sentence that refuses it."""
    try:
        return cls(**options).eval(), ""
    except ValueError as error:
        return None, str(error)


def random_options(cls: Any, draw: random.Random) -> dict[str, Any]:
    """Values for some options: mostly possible ones, now and then an impossible one."""
    options = {"channels": draw.choice([4, 8]), "scale": draw.choice([1, 2, 3])}
    for option, (allowed, may_be_none) in declared_ranges(cls.__init__).items():
        if option not in options and draw.random() < 0.6:
            possible = possible_values(allowed, options) + ([None] if may_be_none else [])
            options[option] = draw.choice(possible)
    if draw.random() < 0.4:
        option = draw.choice(list(options))
        allowed, _ = declared_ranges(cls.__init__)[option]
        value = "nonsense" if isinstance(allowed, OneOf) else draw.choice(IMPOSSIBLE)
        is_int = isinstance(allowed, Finite) and isinstance(value, int)
        options[option] = float(value) if is_int else value
    return options


def possible_values(allowed: Any, options: dict[str, Any]) -> list[Any]:
    """A few values in a range."""
    if isinstance(allowed, OneOf):
        return list(allowed.values)
    candidates = [0.0, 1e-6, 0.3, 1.0, 20.0] if isinstance(allowed, Finite) else range(6)
    return [n for n in candidates if allowed.requirement(n, options) is None]


def is_impossible(cls: Any, option: str, options: dict[str, Any]) -> bool:
    """Whether a value lies outside its range."""
    allowed, may_be_none = declared_ranges(cls.__init__)[option]
    if options[option] is None:
        return not may_be_none
    if isinstance(allowed, Whole) and allowed.divides and not isinstance(options["channels"], int):
        return False  # it cannot be judged
    return allowed.requirement(options[option], options) is not None


def check_result(operator: Any, draw: random.Random) -> None:
    """The result has the size that was asked for, and is finite."""
    if isinstance(operator, Downsampler):
        grid = GRID[0] * operator.scale, GRID[1] * operator.scale
        size = draw.choice([None, (2, 3)])
        out, expected = operator(torch.randn(2, operator.channels, *grid), size), size or GRID
    elif hasattr(operator, "up"):
        expected = GRID[0] * operator.up.scale, GRID[1] * operator.up.scale
        out = operator(torch.randn(2, operator.up.channels, *expected))
    else:
        features = torch.randn(2, operator.channels, *GRID)
        guide = torch.rand(2, operator.guide_channels or 3, 9, 10)
        size = draw.choice([None, (9, 10), (4, 3), (3, 5)])
        out = operator(features, guide, size)
        expected = size or (GRID[0] * operator.scale, GRID[1] * operator.scale)
    assert out.shape[2:] == expected
    assert out.isfinite().all()


@pytest.mark.parametrize(
    ("name", "scale", "options", "message"),
    [
        ("nearest_conv", 4, {"kernel_size": 4}, "kernel_size must be odd and at least 1, got 4"),
        ("bilinear_conv", 4, {"kernel_size": 2}, "kernel_size must be odd and at least 1, got 2"),
        ("carafe", 0, {}, "scale must be at least 1, got 0"),
        ("carafe", -1, {}, "scale must be at least 1, got -1"),
        ("carafe", 2, {"groups": 0}, "groups must divide the 16 channels, got 0"),
        ("carafe", 2, {"dilation": 0}, "dilation must be at least 1, got 0"),
        ("a2u", 2, {"rank": -1}, "rank must be at least 1, got -1"),
        ("a2u", 2, {"sharing": "none"}, "sharing must be one of shared, .*, got 'none'"),
        ("dysample", 2, {"groups": 3}, "groups must divide the 16 channels, got 3"),
        ("guided_filter", 2, {"epsilon": 0}, "epsilon must be above 0, got 0"),
        ("fade", 2, {"gated": "yes"}, "gated must be true or false, got 'yes'"),
        ("carafe", 2, {"kernel_size": "3"}, "kernel_size must be a whole number, got '3'"),
        ("carafe", 2, {"kernal": 3}, "upsampler carafe has no option kernal, only kernel_size"),
        ("nearest", 2, {"kernal": 3}, "upsampler nearest has no option kernal, it has none"),
        ("featup_jbu", 2, {"kernal": 3}, "featup_jbu of variant default has no option kernal"),
        ("carafe", 2, {"stages": 0}, "stages must be at least 1, got 0"),
    ],
)
def test_each_option_is_named_with_its_value(name, scale, options, message):
    with pytest.raises(ValueError, match=message):
        create_upsampler(name, 16, scale, **options)


def test_downsamplers_are_checked_alike():
    with pytest.raises(ValueError, match="kernel_size must be at least 1, got 0"):
        create_downsampler("blur", 4, kernel_size=0)
    with pytest.raises(ValueError, match="downsampler blur has no option kernal, only kernel_size"):
        create_downsampler("blur", 4, kernal=3)
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        create_downsampler("max_pool", 0)


class Undeclared(Reassembly):
    """Somebody's own: declares nothing, and calls its option what it likes."""

    def __init__(self, channels, scale=2, kernel_size=4, groups: int = 0, *, flag: bool = None):  # type: ignore[assignment]  # noqa: RUF013
        super().__init__(channels, scale)
        self.kernel_size, self.groups, self.flag = kernel_size, groups, flag

    def predict_weights(self, features, guide, size):
        """Equal weights."""
        k = self.kernel_size
        return torch.full((len(features), 1, k, k, *size), 1 / k**2)


def test_a_class_of_ones_own_needs_no_declaration():
    up = Undeclared(8, kernel_size=4)
    assert up(torch.randn(1, 8, 3, 3)).shape == (1, 8, 6, 6)
    assert up(torch.randn(1, 6, 3, 3)).shape == (1, 6, 6, 6)  # of any number of channels
    assert up.to_config()["options"]["kernel_size"] == 4
    with pytest.raises(ValueError, match="scale must be at least 1, got 0"):
        Undeclared(8, 0)
