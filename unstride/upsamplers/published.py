"""Loads weights that the authors of operators have published, from their own files.

| file of | licence |
|---|---|
| mmcv's `CARAFEPack`, inside a detector or alone | Apache-2.0 |
| DySample | MIT |
| FeatUp: JBU stacks, with and without norm, and implicit networks | MIT |
| NAF | Apache-2.0 |
| AnyUp | CC-BY-4.0: credit the authors where you use it |

Names and shapes of the tensors tell what a file holds; any other file is refused.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from unstride.formats.state_dict import read_state_dict
from unstride.upsamplers.anyup import anyup_from_published
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.carafe import CarafeUpsample
from unstride.upsamplers.dysample import DySample
from unstride.upsamplers.featup import FeatUpStack
from unstride.upsamplers.featup_implicit import FeatUpImplicit
from unstride.upsamplers.naf import naf_from_published
from unstride.upsamplers.published_state import StateDict, check_state_dict, tensor_shape

CARAFE_ENCODER = "content_encoder"
# Patterns of our keys, and what they are called in the published files.
FEATUP_KEYS = {
    r"stages\.(\d+)\.": lambda m: f"up{int(m[1]) + 1}.",
    r"log_temperature": "range_temp",
    r"sigma_space": "sigma_spatial",
    r"\.key\.": ".range_proj.",
    r"\.correction\.": ".fixup_proj.",
    r"^mix\.": "fixup_proj.1.",
    r"^norm\.": "model.1.norm.",
}
FEATUP_IMPLICIT_KEYS = {
    r"fourier\.phases": "1.biases",
    r"network\.(0|5)\.": lambda m: f"{int(m[1]) + 2}.norm.",
    r"network\.(\d)\.": lambda m: f"{int(m[1]) + 2}.",
}


def load_published(
    path: str | Path, *, prefix: str = "", channels: int = 384, scale: int = 2
) -> Upsampler:
    """Load an upsampler with published weights from the authors' file, in evaluation mode.

    Args:
        path: a safetensors file, or one written by `torch.save`, see
            `unstride.formats.state_dict.read_state_dict`.
        prefix: of the names of the file's entries, if the upsampler is part of a larger model,
            for example "neck.upsample_modules.0.upsample.".
        channels: of the features, if the weights do not depend on it (NAF, AnyUp).
        scale: of a `CARAFEPack`; and of NAF and AnyUp, unless a size is given. The other files
            determine it.

    Raises:
        ValueError: if the file cannot be read, or holds anything else.
    """
    state = {k[len(prefix) :]: v for k, v in read_state_dict(path).items() if k.startswith(prefix)}
    for pattern, converter in CONVERTERS.items():
        if any(re.fullmatch(pattern, key) for key in state):
            try:
                return converter(state, channels, scale).eval()
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None
    first = next(iter(state), None)
    content = f"its first entry is {first!r}" if first else f"no entry begins with {prefix!r}"
    raise ValueError(f"{path} is not a supported published upsampler: {content}")


def carafe_from_published(state: StateDict, channels: int, scale: int) -> CarafeUpsample:
    """Convert mmcv's `CARAFEPack` of one group, which has the same names."""
    del channels
    compressor, encoder = (
        tensor_shape(state, f"{n}.weight") for n in ("channel_compressor", CARAFE_ENCODER)
    )
    side = round((encoder[0] / scale**2) ** 0.5)
    if (scale * side) ** 2 != encoder[0]:
        raise ValueError(
            f"{CARAFE_ENCODER}.weight predicts {encoder[0]} weights, "
            f"which does not fit scale={scale}"
        )
    up = CarafeUpsample(
        compressor[1], scale, kernel_size=side, encoder_size=encoder[2],
        compressed_channels=compressor[0], start="published",
    )  # fmt: skip
    return _load_checked(up, state)


def dysample_from_published(state: StateDict, channels: int, scale: int) -> DySample:
    """Convert DySample; scale and groups follow from the sub-pixels' centres, which it stores."""
    del channels
    centres = state["init_pos"]
    scale = round(1 / (1 - 2 * centres.abs().max().item()))
    groups = centres.shape[1] // (2 * scale**2)
    out_channels, in_channels = tensor_shape(state, "offset.weight")[:2]
    shuffled_first = out_channels != centres.shape[1]
    up = DySample(
        in_channels * scale**2 if shuffled_first else in_channels,
        scale,
        style="pl" if shuffled_first else "lp",
        groups=groups,
        dynamic_scope="scope.weight" in state,
    )
    return _load_checked(up, {k: v for k, v in state.items() if k != "init_pos"})


def featup_from_published(state: StateDict, channels: int, scale: int) -> FeatUpStack:
    """Convert FeatUp's four stages and last convolution, and the backbone's norm if present."""
    del channels, scale
    # Entries of the backbone and of the loss are left out.
    kept = ("upsampler.", "up", "fixup_proj.", "model.1.norm.")
    state = {k.removeprefix("upsampler."): v for k, v in state.items() if k.startswith(kept)}
    stages = sum(bool(re.fullmatch(r"up\d+\.range_temp", key)) for key in state)
    norm = "model.1.norm.weight" in state
    channels = tensor_shape(state, "fixup_proj.1.weight")[0]
    up = FeatUpStack(channels, 2**stages, norm=norm)
    return _load_checked(up, state, lambda name: _published_key(name, FEATUP_KEYS))


def featup_implicit_from_published(state: StateDict, channels: int, scale: int) -> FeatUpImplicit:
    """Convert FeatUp's network for one image, which outputs principal components of features."""
    del channels
    channels, frequencies = tensor_shape(state, "10.weight")[0], tensor_shape(state, "1.biases")[2]
    up = FeatUpImplicit(channels, scale, frequencies=frequencies)
    return _load_checked(up, state, lambda name: _published_key(name, FEATUP_IMPLICIT_KEYS))


# A pattern that a key of the file matches in full, and what converts such a file.
CONVERTERS: dict[str, Callable[[StateDict, int, int], Upsampler]] = {
    r"channel_compressor\.weight": carafe_from_published,
    r"init_pos": dysample_from_published,
    r"(upsampler\.)?up1\.range_temp": featup_from_published,
    r"1\.biases": featup_implicit_from_published,
    r"image_encoder\.rope\.periods": naf_from_published,
    r"cross_decode\.conv2d\.weight": anyup_from_published,
}


def _published_key(name: str, patterns: Mapping) -> str:
    for pattern, replacement in patterns.items():
        name = re.sub(pattern, replacement, name)
    return name


def _load_checked(upsampler, state: StateDict, published_key: Callable[[str], str] = str):
    """Load published tensors into an upsampler, if all are there and nothing else is."""
    own = upsampler.state_dict()
    check_state_dict(state, {published_key(name): tuple(t.shape) for name, t in own.items()})
    upsampler.load_state_dict({name: state[published_key(name)] for name in own})
    return upsampler
