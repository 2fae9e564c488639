"""Turns words of the command line, such as "carafe:kernel_size=3", into upsamplers."""

from collections.abc import Collection
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from unstride.saving.argument_checks import check_option_names
from unstride.saving.configuration import describe
from unstride.saving.folder import load_weights
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.by_name import UPSAMPLERS, create_upsampler
from unstride.upsamplers.factory import UpsamplerFactory


def image_guided_upsampler(
    name: str, options: dict[str, Any], channels: int, stride: int, weights: Path | None = None
) -> Upsampler:
    """Create an upsampler that takes images as guides, with weights if they are given.

    Args:
        name: one of `unstride list`.
        options: keyword arguments of `create_upsampler`.
        channels: of the features.
        stride: of the features, in pixels of the image; it becomes the scale.
        weights: a safetensors file, a state dict that torch wrote, or a folder written by
            `save_pretrained`, which also holds the options. Default: no weights to load.

    Raises:
        ValueError: if there is no such upsampler or option, if the weights are of another
            upsampler, or if it cannot take an image.
    """
    if weights is not None and weights.is_dir():
        if options:
            raise ValueError(
                f"weights={weights} is a folder that contains all options: "
                f"give {name} without options"
            )
        return load_saved_upsampler(weights, name, channels)
    _check_option_names(name, options.keys() - {"guide_channels"}, name)
    up = create_upsampler(name, channels, stride, **({"guide_channels": 3} | options))
    if weights is not None:
        load_weights(up, weights, name)
    return _check_image_guided(up, name)


def load_saved_upsampler(folder: Path, name: str, channels: int) -> Upsampler:
    """Load an upsampler that takes images as guides from a folder written by `save_pretrained`.

    Raises:
        ValueError: if the folder holds another upsampler than `name`, or one that takes another
            guide, or if it cannot be read.
    """
    up = Upsampler.from_pretrained(folder, channels=channels)
    saved_names = {describe(stage)["upsampler"] for stage in getattr(up, "upsamplers", [up])}
    if saved_names != {name}:
        saved = "+".join(saved_names)
        raise ValueError(f"upsampler must be {saved}, as saved in {folder}, got {name}")
    return _check_image_guided(up, name)


def _check_image_guided(up: Upsampler, name: str) -> Upsampler:
    if up.guide_channels not in (None, 3):
        raise ValueError(
            f"{name} cannot take an image as its guide: "
            f"guide_channels must be 3, got {up.guide_channels}"
        )
    return up


def has_packaged_weights(name: str, options: dict[str, Any]) -> bool:
    """Whether an upsampler with these options loads weights that come with this package."""
    pretrained = signature(UPSAMPLERS[name]).parameters.get("pretrained")
    return pretrained is not None and bool(options.get("pretrained", pretrained.default))


def parse_upsampler(text: str) -> tuple[str, dict[str, Any]]:
    """Parse a name with options, such as "featup_jbu:variant=paper,mix=false".

    Raises:
        ValueError: if an option is not NAME=VALUE.
    """
    name, _, options_text = text.partition(":")
    return name, parse_options(options_text, "options of an upsampler")


def parse_options(text: str, subject: str) -> dict[str, Any]:
    """Parse "kernel_size=3,mix=false" into numbers, truth values and words.

    Args:
        text: options separated by commas; may be empty.
        subject: what they are, for the error message.

    Raises:
        ValueError: if an option is not NAME=VALUE.
    """
    options = {}
    for part in text.split(",") if text else []:
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise ValueError(f"{subject} must be NAME=VALUE, got {part!r}")
        options[key] = _parse_value(value)
    return options


def _parse_value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def upsampler_factory(word: str) -> UpsamplerFactory:
    """The factory of the upsampler that a word names, such as "carafe:kernel_size=3".

    Raises:
        ValueError: if the upsampler has no such option.
    """
    name, options = parse_upsampler(word)
    _check_option_names(name, options, repr(word))
    return partial(create_upsampler, name, **options)


def _check_option_names(name: str, options: Collection[str], shown: str) -> None:
    if name in UPSAMPLERS:
        own_options = set(options) - {"stages"}
        check_option_names(UPSAMPLERS[name], own_options, f"upsampler {shown}")
