"""TODO."""

from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from unstride.saving.configuration import describe
from unstride.saving.folder import load_weights
from unstride.upsamplers import Upsampler
from unstride.upsamplers.by_name import UPSAMPLERS, create_upsampler
from unstride.upsamplers.factory import UpsamplerFactory


def image_guided_upsampler(
    name: str, options: dict[str, Any], channels: int, stride: int, weights: Path | None = None
) -> Upsampler:
    """An upsampler for images as its guides.

    Args:
        name: one of `unstride list`.
        options: of `create_upsampler`.
        channels: of the features.
        stride: of the features, which it undoes.
        weights: a safetensors file, or a folder that `save_pretrained` wrote, which says all.

    Raises:
        ValueError: if there is no such upsampler or option, if the weights are of another, or
            if it cannot take an image.
    """
    if weights is not None and weights.is_dir():
        if options:
            raise ValueError(f"weights={weights} is a folder, which says all: {name} takes no more")
        return load_saved_upsampler(weights, name, channels)
    try:
        up = create_upsampler(name, channels, stride, **({"guide_channels": 3} | options))
    except TypeError as error:
        raise ValueError(f"options of {name}: {error}") from None
    if weights is not None:
        load_weights(up, weights, name)
    return _check_image_guided(up, name)


def load_saved_upsampler(folder: Path, name: str, channels: int) -> Upsampler:
    """The upsampler in a folder that `save_pretrained` wrote, for images as its guides.

    Raises:
        ValueError: if it is another than `name`, or takes another guide, or cannot be read.
    """
    up = Upsampler.from_pretrained(folder, channels=channels)
    held = {describe(stage)["upsampler"] for stage in getattr(up, "upsamplers", [up])}
    if held != {name}:
        raise ValueError(f"upsampler must be what {folder} holds, {'+'.join(held)}, got {name}")
    return _check_image_guided(up, name)


def _check_image_guided(up: Upsampler, name: str) -> Upsampler:
    if up.guide_channels not in (None, 3):
        raise ValueError(
            f"{name} takes no image as its guide, but one with {up.guide_channels} channels"
        )
    return up


def has_packaged_weights(name: str, options: dict[str, Any]) -> bool:
    """Whether this package has weights for it, which the options do not decline."""
    pretrained = signature(UPSAMPLERS[name]).parameters.get("pretrained")
    return pretrained is not None and bool(options.get("pretrained", pretrained.default))


def parse_upsampler(text: str) -> tuple[str, dict[str, Any]]:
    """ "featup_jbu:variant=paper,mix=false" is a name and its options.

    Raises:
        ValueError: if an option is not NAME=VALUE.
    """
    name, _, given = text.partition(":")
    options = {}
    for part in given.split(",") if given else []:
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise ValueError(f"options of an upsampler must be NAME=VALUE, got {part!r}")
        options[key] = _parse_value(value)
    return name, options


def _parse_value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def upsampler_factory(word: str) -> UpsamplerFactory:
    """What makes the upsampler that a word names, options after a colon.

    Raises:
        ValueError: if it has no such option.
    """
    name, options = parse_upsampler(word)
    if name in UPSAMPLERS:
        known = signature(UPSAMPLERS[name]).parameters
        unknown = options.keys() - known.keys() - {"stages"}
        if unknown and not any(p.kind is Parameter.VAR_KEYWORD for p in known.values()):
            raise ValueError(f"upsampler {word!r}: no option {', '.join(sorted(unknown))}")
    return partial(create_upsampler, name, **options)
