"""Loads weights that the authors of operators have published, from their own files.

| file of | licence |
|---|---|
| mmcv's `CARAFEPack`, inside a detector or alone | Apache-2.0 |
| CARAFE++'s downsampler, with the names of `CARAFEPack` | not released |
| DySample | MIT |
| FADE and FADE-Lite; SAPA, with and without gate | the code MIT, its README: academic use |
| A2U: one level of the matting network, both directions | MIT, weights non-commercial |
| IndexNet: one index block, both directions | academic use |
| FeatUp: JBU stacks, with and without norm, and implicit networks | MIT |
| NAF | Apache-2.0 |
| AnyUp | CC-BY-4.0: credit the authors where you use it |

Names and shapes of the tensors tell what a file holds; any other file is refused.
"""

import re
from collections.abc import Callable, Mapping
from math import isqrt
from pathlib import Path

import torch

from unstride.formats.state_dict import read_state_dict
from unstride.upsamplers.a2u import A2UPair
from unstride.upsamplers.anyup import anyup_from_published
from unstride.upsamplers.base import Downsampler, Upsampler
from unstride.upsamplers.carafe import CarafeDownsample, CarafeUpsample
from unstride.upsamplers.dysample import DySample
from unstride.upsamplers.fade import FADE
from unstride.upsamplers.featup import FeatUpStack
from unstride.upsamplers.featup_implicit import FeatUpImplicit
from unstride.upsamplers.index import IndexKind, IndexPair
from unstride.upsamplers.naf import naf_from_published
from unstride.upsamplers.pair import Pair
from unstride.upsamplers.published_state import StateDict, check_state_dict, tensor_shape
from unstride.upsamplers.sapa import SAPA

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
FADE_KEYS = {
    r"^gate\.": "gate_generator.conv.",
    r"^compress_guide\.": "kernel_generator.conv1_en.",
    r"^compress\.": "kernel_generator.conv1_de.",
    r"^kernel\.weight": "kernel_generator.conv2_kernels",
    r"^kernel\.bias": "kernel_generator.conv2_bias",
}
SAPA_KEYS = {r"^norm_guide\.": "norm_y.", r"^norm\.": "norm_x.", r"^query\.": "q.", r"^key\.": "k."}
GATED_SAPA_KEYS = SAPA_KEYS | {r"^query_features\.": "qx.", r"^query\.": "qy."}
A2U_KEYS = {
    r"^(down|up)\.affinity\.norm_(u|v)\.": r"bn\2.0.",
    r"^(down|up)\.affinity\.(u|v)\.": lambda m: f"bconv_{m[2].upper()}.1.",
    r"^up\.projection\.p\.": "bconv_UP.1.",
    r"^down\.projection\.p\.": "bconv_DP.1.",
}
FEATUP_IMPLICIT_KEYS = {
    r"fourier\.phases": "1.biases",
    r"network\.(0|5)\.": lambda m: f"{int(m[1]) + 2}.norm.",
    r"network\.(\d)\.": lambda m: f"{int(m[1]) + 2}.",
}


def load_published(
    path: str | Path,
    *,
    prefix: str = "",
    channels: int = 384,
    scale: int = 2,
    downsample: bool = False,
) -> Upsampler | Downsampler | Pair:
    """Load an operator with published weights from the authors' file, in evaluation mode.

    Files of A2U and IndexNet hold one predictor for both directions, and give a pair.

    Args:
        path: a safetensors file, or one written by `torch.save`, see
            `unstride.formats.state_dict.read_state_dict`.
        prefix: of the names of the file's entries, if the upsampler is part of a larger model,
            for example "neck.upsample_modules.0.upsample.".
        channels: of the features, if the weights do not depend on it (NAF, AnyUp).
        scale: of a `CARAFEPack`; and of FADE, SAPA, NAF and AnyUp, unless a size is given. A2U and
            IndexNet have 2. The other files determine it.
        downsample: whether a file with the names of `CARAFEPack` is CARAFE++'s downsampler.

    Raises:
        ValueError: if the file cannot be read, or holds anything else.
    """
    state = {k[len(prefix) :]: v for k, v in read_state_dict(path).items() if k.startswith(prefix)}
    converters = CONVERTERS | ({CARAFE_FILE: carafe_down_from_published} if downsample else {})
    for pattern, converter in converters.items():
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


def carafe_down_from_published(state: StateDict, channels: int, scale: int) -> CarafeDownsample:
    """Convert CARAFE++'s downsampler of one group, whose tensors are named as in `CARAFEPack`."""
    del channels
    compressor, encoder = (
        tensor_shape(state, f"{n}.weight") for n in ("channel_compressor", CARAFE_ENCODER)
    )
    down = CarafeDownsample(
        compressor[1], scale, kernel_size=isqrt(encoder[0]), encoder_size=encoder[2],
        compressed_channels=compressor[0],
    )  # fmt: skip
    return _load_checked(down, state)


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
        scope_bias="scope.bias" in state,
    )
    return _load_checked(up, {k: v for k, v in state.items() if k != "init_pos"})


def fade_from_published(state: StateDict, channels: int, scale: int) -> FADE:
    """Convert FADE; FADE-Lite has no gate."""
    guide_channels = tensor_shape(state, "kernel_generator.conv1_en.weight")[1]
    compressed, channels = tensor_shape(state, "kernel_generator.conv1_de.weight")[:2]
    up = FADE(
        channels, scale, guide_channels=guide_channels, compressed_channels=compressed,
        kernel_size=isqrt(tensor_shape(state, "kernel_generator.conv2_bias")[0]),
        gated="gate_generator.conv.weight" in state, start="published",
    )  # fmt: skip
    return _load_checked(up, state, lambda name: _published_key(name, FADE_KEYS))


def sapa_from_published(state: StateDict, channels: int, scale: int) -> SAPA:
    """Convert SAPA with its defaults, or with its gate; the window's side of 5 is not in a file."""
    gated = "gate.weight" in state
    embedding, channels = tensor_shape(state, "k.weight")
    up = SAPA(
        channels, scale, guide_channels=tensor_shape(state, "norm_y.weight")[0],
        embedding=embedding, gated=gated, start="published",
    )  # fmt: skip
    as_convolutions = {k: v[..., None, None] if v.ndim == 2 else v for k, v in state.items()}
    keys = GATED_SAPA_KEYS if gated else SAPA_KEYS
    return _load_checked(up, as_convolutions, lambda name: _published_key(name, keys))


def a2u_from_published(state: StateDict, channels: int, scale: int) -> A2UPair:
    """Convert one level of A2U's network, with filters of side 6 for its window of side 3."""
    del scale
    logits, channels = tensor_shape(state, "bconv_UP.1.weight")[:2]
    filters = tensor_shape(state, "bconv_U.1.weight")[0]
    pair = A2UPair(
        channels, kernel_size=isqrt(logits) // 2, start="published",
        sharing="shared" if filters == 1 else "unshared",
    )  # fmt: skip
    return _load_checked(pair, state, a2u_key)


def index_from_published(state: StateDict, channels: int, scale: int) -> IndexPair:
    """Convert one index block; names and shapes tell its kind, and whether it has hidden layers."""
    del scale
    holistic = not any(key.startswith("indexnet1.") for key in state)
    branch = "indexnet." if holistic else "indexnet1."
    nonlinear = f"{branch}3.weight" in state
    first = f"{branch}weight" if holistic and not nonlinear else f"{branch}0.weight"
    hidden, channels, side = tensor_shape(state, first)[:3]
    kind: IndexKind = "holistic" if holistic else "many-to-one"
    if not holistic and channels == 1 < hidden:  # a depthwise convolution
        kind, channels = "one-to-one", hidden
    pair = IndexPair(
        channels, kind=kind, nonlinear=nonlinear, context=side == 4, start="published",
        expansion=max(hidden // channels, 1) if nonlinear else 1,
    )  # fmt: skip
    # files of old torch do not count batches; a linear branch is a list of one
    counters = {
        key.replace("running_mean", "num_batches_tracked"): torch.tensor(0)
        for key in state if key.endswith("running_mean")
    }  # fmt: skip

    return _load_checked(
        pair, {**counters, **state}, lambda name: index_key(name, holistic, nonlinear)
    )


def index_key(name: str, holistic: bool, nonlinear: bool) -> str:
    """The released name of a tensor of `IndexPair`."""
    number, rest = name.partition("branches.")[2].split(".", 1)
    if holistic:
        return f"indexnet.{rest}"
    return f"indexnet{int(number) + 1}.{rest if nonlinear else f'0.{rest}'}"


def a2u_key(name: str) -> str:
    """The released name of a tensor of `A2UPair`."""
    return _published_key(name, A2U_KEYS)


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
CARAFE_FILE = r"channel_compressor\.weight"
CONVERTERS: dict[str, Callable[[StateDict, int, int], Upsampler | Downsampler | Pair]] = {
    CARAFE_FILE: carafe_from_published,
    r"init_pos": dysample_from_published,
    r"(upsampler\.)?up1\.range_temp": featup_from_published,
    r"1\.biases": featup_implicit_from_published,
    r"image_encoder\.rope\.periods": naf_from_published,
    r"cross_decode\.conv2d\.weight": anyup_from_published,
    r"kernel_generator\.conv1_en\.weight": fade_from_published,
    r"norm_y\.weight": sapa_from_published,
    r"bconv_UP\.1\.weight": a2u_from_published,
    r"indexnet1?\.(0\.)?weight": index_from_published,
}


def _published_key(name: str, patterns: Mapping) -> str:
    for pattern, replacement in patterns.items():
        name = re.sub(pattern, replacement, name)
    return name


def _load_checked(operator, state: StateDict, published_key: Callable[[str], str] = str):
    """Load published tensors into an operator, if all are there and nothing else is."""
    own = operator.state_dict()
    check_state_dict(state, {published_key(name): tuple(t.shape) for name, t in own.items()})
    operator.load_state_dict({name: state[published_key(name)] for name in own})
    return operator
