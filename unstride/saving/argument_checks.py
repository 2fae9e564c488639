"""Checks arguments against the ranges that their annotations declare.

    def __init__(self, channels: PositiveInt, *, kernel_size: OddInt = 5): ...

`SavingMixin` and `Downsampler` check the constructors of all their subclasses; the decorator
`checked` does it for any other function, `check_fields` for the fields of a dataclass. An argument
is checked if its annotation is a `Literal`, `bool`, or `Annotated` with a range. Nothing else is
looked at, so classes that declare nothing work.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from functools import cache, wraps
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from unstride.saving.argument_ranges import OneOf, Range

P = ParamSpec("P")
R = TypeVar("R")


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
