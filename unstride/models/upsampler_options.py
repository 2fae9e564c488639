"""Resolves upsamplers named on the command line and passes them to a network's constructor.

A parameter whose name ends in "upsampler" is a place in the network where an operator can stand.
"""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeVar

from unstride.upsamplers.from_words import upsampler_factory

MASK_UPSAMPLER = "mask_upsampler"  # the place in a mask head, where no guide is available

Network = TypeVar("Network")


def build_network(
    name: str,
    network_class: Callable[..., Network],
    arguments: Sequence[Any],
    options: dict[str, Any],
    upsampler: str | None,
    exclude: Sequence[str] = (),
) -> Network:
    """Build a network from finished parts and options.

    Args:
        name: name of the network, for the error message.
        network_class: class of the network, or a function that builds it.
        arguments: positional arguments, such as the pyramid and the number of classes.
        options, upsampler, exclude: see `resolve_upsamplers`.

    Raises:
        ValueError: if the network has no such option, or there is no such upsampler.
    """
    try:
        resolved = resolve_upsamplers(network_class, options, upsampler, exclude)
        return network_class(*arguments, **resolved)
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None


def resolve_upsamplers(
    network_class: Callable[..., Any],
    options: dict[str, Any],
    upsampler: str | None = None,
    exclude: Sequence[str] = (),
) -> dict[str, Any]:
    """The options, with upsampler factories in place of upsampler names.

    Args:
        network_class: class or function whose parameters are read.
        options: its options. One for a single place holds a name, such as fpn_upsampler="sapa".
        upsampler: name, with options, for all places that `options` do not set. Default: these
            places keep the network's defaults.
        exclude: places that `upsampler` does not set.
    """
    resolved = dict(options)
    for parameter in signature(network_class).parameters:
        if not parameter.endswith("upsampler"):
            continue
        if isinstance(resolved.get(parameter), str):
            resolved[parameter] = upsampler_factory(resolved[parameter])
        elif upsampler is not None and parameter not in options and parameter not in exclude:
            resolved[parameter] = upsampler_factory(upsampler)
    return resolved


def unguided_places(upsampler: str | None, channels: int) -> tuple[str, ...]:
    """Names of the places without a guide, if this upsampler needs a guide; otherwise none.

    Args:
        upsampler: name, with options, such as "carafe", or None.
        channels: channels for a trial instance, which shows whether it needs a guide.

    Raises:
        ValueError: if there is no such upsampler or option.
    """
    if upsampler is None:
        return ()
    try:
        needs_guide = upsampler_factory(upsampler)(channels, scale=2).guide_channels is not None
    except TypeError as error:
        raise ValueError(f"upsampler {upsampler!r}: {error}") from None
    return (MASK_UPSAMPLER,) if needs_guide else ()
