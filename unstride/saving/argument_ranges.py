"""Ranges of arguments, which annotations declare: `kernel_size: OddInt = 5`.

`argument_checks` checks them where an object is made. A range not listed here is declared as
`Annotated[int, Whole(16, multiple_of=16)]`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any


class Range(ABC):
    """The values that an argument may have."""

    @abstractmethod
    def requirement(self, value: Any, arguments: Mapping[str, Any]) -> str | None:
        """What the value must do or be, such as "be at least 1"; None if it does.

        Args:
            value: of the argument.
            arguments: all arguments by name, which the range may depend on.
        """


@dataclass(frozen=True)
class Whole(Range):
    """Whole numbers from a minimum on.

    Args:
        minimum: smallest number.
        maximum: largest number. Default: no limit.
        is_odd: whether even numbers are refused.
        multiple_of: what divides the number.
        divides: name of another argument, which must be a multiple of the number.
    """

    minimum: int = 1
    maximum: int | None = None
    is_odd: bool = False
    multiple_of: int = 1
    divides: str | None = None

    def requirement(self, value, arguments):
        """Ask for a whole number, then for the range."""
        if not _is_whole(value):
            return "be a whole number"
        if self.divides is not None:
            total = arguments[self.divides]
            fits = value >= self.minimum and total % value == 0
            return None if fits else f"divide the {total} {self.divides}"
        is_even = self.is_odd and value % 2 == 0
        is_large = self.maximum is not None and value > self.maximum
        if value >= self.minimum and not (is_even or is_large or value % self.multiple_of):
            return None
        if self.maximum is not None:
            return f"be between {self.minimum} and {self.maximum}"
        if self.multiple_of > 1:
            return f"be a multiple of {self.multiple_of}, at least {self.minimum}"
        return f"be {'odd and ' if self.is_odd else ''}at least {self.minimum}"


@dataclass(frozen=True)
class Finite(Range):
    """Finite numbers, with or without limits.

    Args:
        minimum: smallest number.
        maximum: largest number.
        above: all numbers are greater than this.
        below: all numbers are smaller than this.
    """

    minimum: float = -math.inf
    maximum: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def requirement(self, value, arguments):
        """Ask for a number, then for the range."""
        if not _is_number(value):
            return "be a finite number"
        if self.minimum <= value <= self.maximum and self.above < value < self.below:
            return None
        if math.isfinite(self.minimum) and math.isfinite(self.maximum):
            return f"be between {self.minimum:g} and {self.maximum:g}"
        limits = {
            "at least": self.minimum, "at most": self.maximum,
            "above": self.above, "below": self.below,
        }  # fmt: skip
        return f"be {' and '.join(f'{w} {n:g}' for w, n in limits.items() if math.isfinite(n))}"


@dataclass(frozen=True)
class OneOf(Range):
    """A few values.

    Args:
        values: the values.
    """

    values: tuple[Any, ...]

    def requirement(self, value, arguments):
        """Ask for one of the values."""
        if value in self.values:
            return None
        if self.values == (True, False):
            return "be true or false"
        return f"be one of {', '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Pixels(Range):
    """A pair (height, width) in pixels."""

    def requirement(self, value, arguments):
        """Ask for two whole numbers above 0."""
        is_pair = isinstance(value, tuple | list) and len(value) == 2
        if is_pair and all(_is_whole(n) and n >= 1 for n in value):
            return None
        return "be (height, width) in pixels, both at least 1"


@dataclass(frozen=True)
class Each(Range):
    """A tuple or list of at least one value, each of them in a range.

    Args:
        range: of the values.
    """

    range: Range

    def requirement(self, value, arguments):
        """Ask for some values, then for the range of each."""
        if not isinstance(value, tuple | list):
            return "be a list"
        if not value:
            return "have at least one value"
        for item in value:
            if (requirement := self.range.requirement(item, arguments)) is not None:
                return f"each {requirement}"
        return None


@dataclass(frozen=True)
class Interval(Range):
    """A pair (minimum, maximum) of numbers above a limit.

    Args:
        above: both numbers are greater than this.
        may_be_equal: whether the two may be the same number.
    """

    above: float = 0.0
    may_be_equal: bool = True

    def requirement(self, value, arguments):
        """Ask for two numbers in order."""
        is_pair = isinstance(value, tuple | list) and len(value) == 2
        if is_pair and all(map(_is_number, value)) and self.above < value[0] <= value[1]:
            return None if self.may_be_equal or value[0] < value[1] else "be two different numbers"
        return f"be a minimum and a maximum above {self.above:g}"


PositiveInt = Annotated[int, Whole(1)]
NonNegativeInt = Annotated[int, Whole(0)]
OddInt = Annotated[int, Whole(1, is_odd=True)]
ChannelDivisor = Annotated[int, Whole(divides="channels")]
PositiveFloat = Annotated[float, Finite(above=0.0)]
NonNegativeFloat = Annotated[float, Finite(minimum=0.0)]
Fraction = Annotated[float, Finite(minimum=0.0, maximum=1.0)]
DropoutRate = Annotated[float, Finite(minimum=0.0, below=1.0)]
PixelSize = Annotated[tuple[int, int], Pixels()]
PositiveInts = Annotated[tuple[int, ...], Each(Whole(1))]
Fractions = Annotated[tuple[float, ...], Each(Finite(minimum=0.0, maximum=1.0))]
PositiveInterval = Annotated[tuple[float, float], Interval()]


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
