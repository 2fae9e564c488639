"""Weights that others have published, read from their own files.

| file of | licence |
|---|---|
| mmcv's `CARAFEPack`, in a detector or alone | Apache-2.0 |
| DySample | MIT |
| FeatUp: JBU stacks, with and without norm, and implicit networks | MIT |
| NAF | Apache-2.0 |
| AnyUp | CC-BY-4.0: name the authors where you use it |

What a file holds is told by its names and shapes; any other is refused.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from unstride.upsamplers import anyup, naf
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.carafe import CarafeUpsample
from unstride.upsamplers.dysample import DySample
from unstride.upsamplers.featup import FeatUpStack
from unstride.upsamplers.featup_implicit import FeatUpImplicit
from unstride.upsamplers.published_state import (
    StateDict,
    check_state_dict,
    read_state_dict,
    tensor_shape,
)


def load_published(
    path: str | Path, *, prefix: str = "", channels: int = 384, scale: int = 2
) -> Upsampler:
    """The upsampler whose published weights a file holds, ready for evaluation.

    Args:
        path: of a .safetensors file, or one written by `torch.save`, of which tensors and plain
            values alone are read.
        prefix: of the names of its entries, if it is part of a larger model, such as
            "neck.upsample_modules.0.upsample.".
        channels: of the features, where the weights do not depend on it (NAF, AnyUp).
        scale: of a `CARAFEPack`, and of NAF and AnyUp where no size is given; the other files
            tell it.

    Raises:
        ValueError: if the file cannot be read, or holds anything else.
    """
    state = {k[len(prefix) :]: v for k, v in read_state_dict(path).items() if k.startswith(prefix)}
    for marker, make in CONVERTERS.items():
        if any(re.fullmatch(marker, key) for key in state):
            try:
                return make(state, channels, scale).eval()
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None
    first = next(iter(state), None)
    found = f"it begins with {first!r}" if first else f"nothing in it begins with {prefix!r}"
    raise ValueError(f"{path} holds no published upsampler that is known here: {found}")


def carafe_from_published(state: StateDict, channels: int, scale: int) -> CarafeUpsample:
    """mmcv's `CARAFEPack` of one group; names are the same."""
    del channels
    compress, encode = (
        tensor_shape(state, f"{n}.weight") for n in ("channel_compressor", CARAFE_ENCODER)
    )
    side = round((encode[0] / scale**2) ** 0.5)
    if (scale * side) ** 2 != encode[0]:
        raise ValueError(
            f"{CARAFE_ENCODER}.weight predicts {encode[0]} weights, none of scale={scale}"
        )
    up = CarafeUpsample(
        compress[1], scale, kernel_size=side, encoder_size=encode[2],
        compressed_channels=compress[0],
    )  # fmt: skip
    return _load_checked(up, state)


def dysample_from_published(state: StateDict, channels: int, scale: int) -> DySample:
    """Scale and groups follow from the sub-pixels' centres, which the released code stores."""
    del channels
    centres = state["init_pos"]
    scale = round(1 / (1 - 2 * centres.abs().max().item()))
    groups = centres.shape[1] // (2 * scale**2)
    out, seen = tensor_shape(state, "offset.weight")[:2]
    shuffled_first = out != centres.shape[1]
    up = DySample(
        seen * scale**2 if shuffled_first else seen,
        scale,
        style="pl" if shuffled_first else "lp",
        groups=groups,
        dynamic_scope="scope.weight" in state,
    )
    return _load_checked(up, {k: v for k, v in state.items() if k != "init_pos"})


def featup_from_published(state: StateDict, channels: int, scale: int) -> FeatUpStack:
    """FeatUp's four stages and last convolution; the backbone's norm too, if it has one."""
    del channels, scale
    kept = ("upsampler.", "up", "fixup_proj.", "model.1.norm.")  # not the backbone, nor the loss
    state = {k.removeprefix("upsampler."): v for k, v in state.items() if k.startswith(kept)}
    stages = sum(bool(re.fullmatch(r"up\d+\.range_temp", key)) for key in state)
    norm = "model.1.norm.weight" in state
    channels = tensor_shape(state, "fixup_proj.1.weight")[0]
    up = FeatUpStack(channels, 2**stages, norm=norm)
    return _load_checked(up, state, lambda name: _published_key(name, FEATUP_KEYS))


def featup_implicit_from_published(state: StateDict, channels: int, scale: int) -> FeatUpImplicit:
    """FeatUp's network for one image, which gives principal components of its features."""
    del channels
    channels, frequencies = tensor_shape(state, "10.weight")[0], tensor_shape(state, "1.biases")[2]
    up = FeatUpImplicit(channels, scale, frequencies=frequencies)
    return _load_checked(up, state, lambda name: _published_key(name, FEATUP_IMPLICIT_KEYS))


CARAFE_ENCODER = "content_encoder"
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
CONVERTERS: dict[str, Callable[[StateDict, int, int], Upsampler]] = {
    r"channel_compressor\.weight": carafe_from_published,
    r"init_pos": dysample_from_published,
    r"(upsampler\.)?up1\.range_temp": featup_from_published,
    r"1\.biases": featup_implicit_from_published,
    r"image_encoder\.rope\.periods": naf.naf_from_published,
    r"cross_decode\.conv2d\.weight": anyup.anyup_from_published,
}


def _published_key(name: str, names: Mapping) -> str:
    for ours, theirs in names.items():
        name = re.sub(ours, theirs, name)
    return name


def _load_checked(up, state: StateDict, theirs: Callable[[str], str] = str):
    """With their tensors in place of its own, if all are there and nothing else is."""
    own = up.state_dict()
    check_state_dict(state, {theirs(name): tuple(t.shape) for name, t in own.items()})
    up.load_state_dict({name: state[theirs(name)] for name in own})
    return up
