"""What an upsampler was made with, in words that JSON can hold, and one made from such words.

What a description says chooses among the classes known here, or given; it never runs code.
"""

import json
from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

from torch import nn

from unstride.upsamplers import UPSAMPLERS
from unstride.upsamplers.base import Cascade, Upsampler
from unstride.upsamplers.featup_implicit import FeatUpImplicit
from unstride.upsamplers.featup_variants import VARIANTS

CASCADE = "cascade"  # the word of what has no name of its own: upsamplers one after another
KNOWN = UPSAMPLERS | {FeatUpImplicit.__name__: FeatUpImplicit}  # for one image: not by a word
WORDS: dict[Any, str] = {make: word for word, make in UPSAMPLERS.items()}
WORD_OF_VARIANT: dict[Any, str] = {make: word for word, make in VARIANTS.items()}  # of featup_jbu


def describe(upsampler: nn.Module) -> dict[str, Any]:
    """What makes an upsampler like this one again; `make` reads it.

    Raises:
        ValueError: if JSON cannot say what it was made with.
    """
    kind = type(upsampler)
    if not isinstance(upsampler, Upsampler):
        raise ValueError(f"only an Upsampler can be saved, got a {kind.__name__}")
    if isinstance(upsampler, Cascade) and kind is Cascade:
        return {"upsampler": CASCADE, "stages": [describe(up) for up in upsampler.upsamplers]}
    options = _arguments(upsampler)
    word = WORDS.get(kind, kind.__name__)
    if kind in WORD_OF_VARIANT:  # its tensors come from the folder, not from the package
        word, options = (
            "featup_jbu",
            options | {"variant": WORD_OF_VARIANT[kind], "pretrained": False},
        )
    known = {name: options.pop(name, getattr(upsampler, name)) for name in ("channels", "scale")}
    return {"upsampler": word, **known, "options": options}


def make(
    config: Any, classes: Sequence[type[Upsampler]] = (), *, channels: int | None = None
) -> Upsampler:
    """The upsampler that `describe` described, with fresh parameters.

    Args:
        config: what `describe` returned.
        classes: of yours, which it may name besides those of this library.
        channels: of the features, in place of those that it names.

    Raises:
        ValueError: if it names none of these, or that one cannot be built so.
    """
    word = config.get("upsampler") if isinstance(config, dict) else None
    if word == CASCADE:
        return Cascade(*(make(s, classes, channels=channels) for s in config.get("stages") or ()))
    known = KNOWN | {own.__name__: own for own in classes}
    if not isinstance(word, str) or word not in known:
        raise ValueError(
            f"it names {word!r}, which is no upsampler of this library; "
            "if it is a class of yours, load it by that, or give classes=[...]"
        )
    options = dict(config.get("options") or {})
    taken = signature(known[word]).parameters
    sizes = {name: config[name] for name in ("channels", "scale") if name in config}
    sizes |= {} if channels is None else {"channels": channels}
    options |= {name: value for name, value in sizes.items() if name in taken}
    return known[word](**options)


def _arguments(upsampler: Upsampler) -> dict[str, Any]:
    """What its constructor was called with, by name, defaults included."""
    who = type(upsampler).__name__
    if upsampler.made_with is None:
        raise ValueError(f"{who} cannot be saved: its __init__ was not the one it was defined with")
    args, options = upsampler.made_with
    given = signature(type(upsampler)).bind(*args, **options)
    given.apply_defaults()
    found: dict[str, Any] = {}
    for name, parameter in given.signature.parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.POSITIONAL_ONLY):
            raise ValueError(
                f"{who} cannot be saved: its argument {name} has no name to call it by"
            )
        several = parameter.kind is Parameter.VAR_KEYWORD
        found |= given.arguments[name] if several else {name: given.arguments[name]}
    for name, value in found.items():
        if not _is_plain(value):
            raise ValueError(
                f"{who} cannot be saved: {name}={value!r} is no number, text, truth value, None, "
                "nor a list or dict of these"
            )
    return found


def _is_plain(value: Any) -> bool:
    """Whether JSON gives it back as it was."""
    try:
        again = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return False
    return type(again) is type(value) and again == value
