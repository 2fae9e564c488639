"""Checks arguments against the ranges that their annotations declare.

    def __init__(self, channels: PositiveInt, *, kernel_size: OddInt = 5): ...

`SavingMixin` and `Downsampler` check the constructors of all their subclasses; the decorator
`checked` does it for any other function, `check_fields` for the fields of a dataclass. An argument
is checked if its annotation is a `Literal`, `bool`, or `Annotated` with a range. Nothing else is
looked at, so classes that declare nothing work.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache, wraps
from inspect import Parameter, signature
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

P = ParamSpec("P")
R = TypeVar("R")


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


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that its arguments are checked before it runs."""

    @wraps(function)
    def checking(*args: P.args, **options: P.kwargs) -> R:
        check_call(function, args, options)
        return function(*args, **options)

    return checking


def check_call(
    function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]
) -> None:
    """Check the arguments of a call.

    Args:
        function: declares the ranges.
        args: positional arguments.
        options: keyword arguments.

    Raises:
        ValueError: if an argument is not in its range; names the argument and its value.
    """
    ranges = declared_ranges(function)
    if not ranges:
        return
    try:
        bound = signature(function).bind(*args, **options)
    except TypeError:
        return  # calling the function says what is missing
    bound.apply_defaults()
    _check_values(ranges, bound.arguments)


def check_fields(options: object) -> None:
    """Check the fields of a dataclass, in its `__post_init__`.

    Raises:
        ValueError: if a field is not in its range; names the field and its value.
    """
    _check_values(_field_ranges(type(options)), vars(options))  # type: ignore[arg-type]


def check_option_names(function: Callable[..., Any], names: Collection[str], subject: str) -> None:
    """Check that a function has options, which are its keyword-only parameters, of these names.

    Args:
        function: a class or function. It may take any option by `**`.
        names: names of options.
        subject: what has the options, for the error message.

    Raises:
        ValueError: if it has no such option; lists the options that it has.
    """
    parameters = signature(function).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    known = [n for n, p in parameters.items() if p.kind is Parameter.KEYWORD_ONLY]
    other = parameters if Parameter.VAR_KEYWORD in kinds else names  # cannot be options
    unknown = [n for n in names if n not in known and n in other]
    if unknown:
        listed = f"only {', '.join(known)}" if known else "it has none"
        raise ValueError(f"{subject} has no option {', '.join(sorted(unknown))}, {listed}")


def check_options(function: Callable[..., Any], options: Mapping[str, Any], subject: str) -> None:
    """Check options that a function will get later: their names, and their values.

    Raises:
        ValueError: if it has no such option, or a value is not in its range.
    """
    check_option_names(function, options, subject)
    ranges = declared_ranges(function)
    _check_values({n: ranges[n] for n in options if n in ranges}, options)


@cache
def declared_ranges(function: Callable[..., Any]) -> dict[str, tuple[Range, bool]]:
    """The range of each argument that declares one, and whether the argument may be None."""
    found = {
        name: _range_of(parameter.annotation, parameter.default)
        for name, parameter in signature(function).parameters.items()
    }
    return {name: declared for name, declared in found.items() if declared is not None}


@cache
def _field_ranges(cls: Any) -> dict[str, tuple[Range, bool]]:
    found = {field.name: _range_of(field.type, field.default) for field in fields(cls)}
    return {name: declared for name, declared in found.items() if declared is not None}


def _range_of(annotation: Any, default: Any) -> tuple[Range, bool] | None:
    """The range that an annotation declares, and whether None is allowed too."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        ranges = [item for item in annotation.__metadata__ if isinstance(item, Range)]
        return (ranges[0], default is None) if ranges else None
    if origin is Literal:
        return OneOf(arguments), default is None
    if annotation is bool:
        return OneOf((True, False)), default is None
    if origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        inner = _range_of(next(a for a in arguments if a is not NoneType), default)
        return None if inner is None else (inner[0], True)
    return None


def _check_values(ranges: Mapping[str, tuple[Range, bool]], arguments: Mapping[str, Any]) -> None:
    for name, (allowed, may_be_none) in ranges.items():
        value = arguments[name]
        if value is None and may_be_none:
            continue
        if (requirement := allowed.requirement(value, arguments)) is not None:
            raise ValueError(f"{name} must {requirement}, got {value!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
