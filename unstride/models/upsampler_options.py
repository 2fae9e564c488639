"""Puts upsamplers, named by words of the command line, into the places of a network."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeVar

from unstride.upsamplers.from_words import upsampler_factory

MASK_UPSAMPLER = "mask_upsampler"  # the place in a mask head, where no guide is available

Network = TypeVar("Network")


def build_named(
    name: str,
    make: Callable[..., Network],
    parts: Sequence[Any],
    options: dict[str, Any],
    upsampler: str | None,
    without: Sequence[str] = (),
) -> Network:
    """Build a network from finished parts and options; arguments as in `placed`.

    Args:
        name: of the network, for the message.
        make: the network's class, or a function that builds it.
        parts: positional arguments, such as the pyramid and the number of classes.

    Raises:
        ValueError: if the network has no such option, or there is no such upsampler.
    """
    try:
        return make(*parts, **resolve_upsamplers(make, options, upsampler, without))
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None


def resolve_upsamplers(
    make: Callable[..., Any],
    options: dict[str, Any],
    upsampler: str | None = None,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """The options, with upsampler factories in place of words.

    Args:
        make: its parameters whose names end in "upsampler" are the places.
        options: its options; a word for a single place, such as fpn_upsampler="sapa".
        upsampler: the word for all places that the options do not mention. None leaves them
            alone.
        without: places that `upsampler` does not go to.
    """
    resolved = dict(options)
    for place in signature(make).parameters:
        if not place.endswith("upsampler"):
            continue
        if isinstance(resolved.get(place), str):
            resolved[place] = upsampler_factory(resolved[place])
        elif upsampler is not None and place not in options and place not in without:
            resolved[place] = upsampler_factory(upsampler)
    return resolved


def unguided_places(upsampler: str | None, channels: int) -> tuple[str, ...]:
    """The places that have no guide, if this upsampler needs one.

    Args:
        upsampler: a word such as "carafe", or None.
        channels: with which it is built to find out.

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
