"""Describes a module by a name and its constructor arguments, and builds it from a description.

A description is plain JSON. It chooses among the factories that are registered here or given by
the caller; it never runs code. This file knows no operator: the package that defines the
operators registers them under their names.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from torch import nn

FACTORIES: dict[str, Callable[..., Any]] = {}  # that a description may name
NAMES: dict[
    Any, tuple[str, dict[str, Any]]
] = {}  # for a class: its name, and options that select it


def register(factories: Mapping[str, Callable[..., Any]]) -> None:
    """Make classes and functions known under the names that descriptions use.

    Args:
        factories: by name. Each is called with `channels`, `scale` and its options, by keyword.
    """
    FACTORIES.update(factories)
    NAMES.update({factory: (name, {}) for name, factory in factories.items()})


def register_variant(kind: Callable[..., nn.Module], name: str, options: dict[str, Any]) -> None:
    """Make a class known that a registered function returns for the given options."""
    NAMES[kind] = name, options


def describe(module: nn.Module) -> dict[str, Any]:
    """The description from which `build` makes a module like this one.

    Raises:
        ValueError: if the module is no Upsampler, or JSON cannot hold its constructor arguments.
    """
    to_config: Callable[[], dict[str, Any]] | None = getattr(module, "to_config", None)
    if to_config is None:
        raise ValueError(f"only an Upsampler can be saved, got a {type(module).__name__}")
    return to_config()


def constructor_config(module: nn.Module, arguments: tuple[tuple, dict] | None) -> dict[str, Any]:
    """A module's registered name (or class name), channels, scale and other options.

    Args:
        module: the module to describe.
        arguments: positional and keyword arguments that its constructor was called with; None if
            they were not recorded.
    """
    cls = type(module)
    options = _constructor_options(cls, arguments)
    name, variant_options = NAMES.get(cls, (cls.__name__, {}))
    options |= variant_options
    sizes = {size: options.pop(size, getattr(module, size)) for size in ("channels", "scale")}
    return {"upsampler": name, **sizes, "options": options}


def build(config: Any, classes: Sequence[type] = (), *, channels: int | None = None) -> Any:
    """Build a module from a description, with fresh parameters.

    Args:
        config: description from `describe`.
        classes: user-defined classes that it may name as well.
        channels: channels of the features. Default: those in the description.

    Raises:
        ValueError: if the description names no known class, or the options do not fit.
    """
    name = config.get("upsampler") if isinstance(config, dict) else None
    factories = FACTORIES | {cls.__name__: cls for cls in classes}
    if not isinstance(name, str) or name not in factories:
        raise ValueError(
            f"upsampler {name!r} is not in this library; "
            "to load a class of your own, call its from_pretrained or pass classes=[...]"
        )
    factory = factories[name]
    if hasattr(factory, "from_config"):
        return factory.from_config(config, classes, channels=channels)
    options = dict(config.get("options") or {})
    sizes = {size: config[size] for size in ("channels", "scale") if size in config}
    sizes |= {} if channels is None else {"channels": channels}
    accepted = signature(factory).parameters
    if "start" in accepted:  # folders from before operators began as interpolations lack it
        options.setdefault("start", "published")
    options |= {size: value for size, value in sizes.items() if size in accepted}
    return factory(**options)


def _constructor_options(cls: type, arguments: tuple[tuple, dict] | None) -> dict[str, Any]:
    """The constructor's arguments by name, defaults included."""
    if arguments is None:
        raise ValueError(
            f"{cls.__name__} cannot be saved: its __init__ was replaced after the class was defined"
        )
    bound = signature(cls).bind(*arguments[0], **arguments[1])
    bound.apply_defaults()
    options: dict[str, Any] = {}
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.POSITIONAL_ONLY):
            raise ValueError(
                f"{cls.__name__} cannot be saved: its argument {name} cannot be passed by name"
            )
        is_mapping = parameter.kind is Parameter.VAR_KEYWORD
        options |= bound.arguments[name] if is_mapping else {name: bound.arguments[name]}
    for name, value in options.items():
        if not _survives_json(value):
            raise ValueError(
                f"{cls.__name__} cannot be saved: {name}={value!r} is not a number, string, "
                "boolean or None, or a list or dict of these"
            )
    return options


def _survives_json(value: Any) -> bool:
    """Whether writing a value as JSON and reading it gives the same value."""
    try:
        again = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return False
    return type(again) is type(value) and again == value
