"""From what a user wrote to a model: words of `unstride list` with options, weights in files."""

import hashlib
import json
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.features.dense_features import DenseFeatures
from unstride.features.implicit import ImplicitFeatures
from unstride.upsamplers import UPSAMPLERS, Upsampler, create_upsampler
from unstride.saving.configuration import describe
from unstride.saving.folder import load_weights


def build(
    backbone: str,
    upsampler: str,
    stride: int | None,
    *,
    stages: int = 1,
    weights: Path | None = None,
    backbone_weights: Path | None = None,
    steps: int | None = None,
) -> tuple[DenseFeatures, dict[str, str]]:
    """The model, and what a file must say about it."""
    trunk = create_backbone(backbone, stride=stride, weights=backbone_weights)
    name, options = parse_word(upsampler)
    if name == "featup_implicit":
        if weights is not None or stages != 1:
            raise ValueError("weights and stages are none of featup_implicit's: it is fitted")
        model = ImplicitFeatures(trunk, **options | ({} if steps is None else {"steps": steps}))
        return model.eval(), _described(trunk, upsampler) | {"fit": str(model.recipe)}
    if steps is not None:
        raise ValueError(f"steps are of featup_implicit, which is fitted; {name} is not")
    if stages != 1:
        options = {"stages": stages} | options
    up = chosen_upsampler(name, options, trunk.channels, trunk.stride, weights)
    described = _described(trunk, upsampler) | {"upsampler_weights": fingerprint(up)}
    if weights is not None and weights.is_dir():
        described["upsampler_made_with"] = json.dumps(describe(up), sort_keys=True)
    return DenseFeatures(trunk, up).eval(), described


def _described(trunk: Backbone, upsampler: str) -> dict[str, str]:
    return {
        "backbone": trunk.name,
        "stride": str(trunk.stride),
        "weights": fingerprint(trunk),
        "upsampler": upsampler,
        "unstride": version("unstride"),
    }


def chosen_upsampler(
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
        return saved_upsampler(weights, name, channels)
    try:
        up = create_upsampler(name, channels, stride, **({"guide_channels": 3} | options))
    except TypeError as error:
        raise ValueError(f"options of {name}: {error}") from None
    if weights is not None:
        load_weights(up, weights, name)
    return _seeing_images(up, name)


def saved_upsampler(folder: Path, name: str, channels: int) -> Upsampler:
    """The upsampler in a folder that `save_pretrained` wrote, for images as its guides.

    Raises:
        ValueError: if it is another than `name`, or takes another guide, or cannot be read.
    """
    up = Upsampler.from_pretrained(folder, channels=channels)
    held = {describe(stage)["upsampler"] for stage in getattr(up, "upsamplers", [up])}
    if held != {name}:
        raise ValueError(f"upsampler must be what {folder} holds, {'+'.join(held)}, got {name}")
    return _seeing_images(up, name)


def _seeing_images(up: Upsampler, name: str) -> Upsampler:
    if up.guide_channels not in (None, 3):
        raise ValueError(
            f"{name} takes no image as its guide, but one with {up.guide_channels} channels"
        )
    return up


def comes_trained(name: str, options: dict[str, Any]) -> bool:
    """Whether this package has weights for it, which the options do not decline."""
    pretrained = signature(UPSAMPLERS[name]).parameters.get("pretrained")
    return pretrained is not None and bool(options.get("pretrained", pretrained.default))


def parse_word(text: str) -> tuple[str, dict[str, Any]]:
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
        options[key] = _value(value)
    return name, options


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def fingerprint(module: nn.Module) -> str:
    """The first 16 digits of a SHA-256 over all tensors, or "none" where there are none."""
    digest, state = hashlib.sha256(), module.state_dict()
    for name in sorted(state):
        digest.update(name.encode() + state[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16] if state else "none"
