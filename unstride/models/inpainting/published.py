"""Loads DeepFill's released weights, from files with the names of three code bases.

| file of | names | licence |
|---|---|---|
| the authors' TensorFlow code, DeepFill v1 and v2 | `inpaint_net/conv1/kernel` | CC BY-NC 4.0 |
| daa233/generative-inpainting-pytorch | `coarse_generator.conv1.conv.weight` | MIT |
| nipponjo/deepfillv2-pytorch | `xconv1.conv.weight` | none stated |

TensorFlow's checkpoints are not read; save their variables by name as safetensors. The network
computes as the code that the names belong to: its padding, resizing and attention.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from unstride.models.inpainting.deepfill import DeepFill
from unstride.models.inpainting.released_attention import AlignedNearest, ReleasedAttention
from unstride.upsamplers.published_state import StateDict, check_state_dict, tensor_shape

DOWNSAMPLED, DILATED = (2, 4), (7, 8, 9, 10)


def _layer_names() -> dict[str, str]:
    """Our names of the layers, and TensorFlow's."""
    names = {}
    for ours, prefix, count in (
        ("coarse_encoder", "", 12), ("encoder", "x", 10), ("attention_encoder", "pm", 6),
    ):  # fmt: skip
        for i in range(1, count + 1):
            suffix = "_downsample" if i in DOWNSAMPLED else "_atrous" if i in DILATED else ""
            names[f"{ours}.layers.{i - 1}"] = f"{prefix}conv{i}{suffix}"
    names |= {f"attended.{i}": f"pmconv{9 + i}" for i in (0, 1)}
    names |= {f"merge.{i}": f"allconv{11 + i}" for i in (0, 1)}
    for ours, prefix in (("coarse_decoder", ""), ("decoder", "all")):
        for i, place in enumerate(("0.0", "0.1", "1.0", "1.1", "1.2")):
            suffix = "_upsample" if i in (0, 2) else ""
            names[f"{ours}.convolutions.{place}"] = f"{prefix}conv{13 + i}{suffix}"
    return names


LAYERS = _layer_names()


class Release(NamedTuple):
    """A code base, and how its network computes.

    Args:
        pattern: of a name that only its files have.
        key: makes the name of a tensor from TensorFlow's name of its layer and "weight" or "bias".
        options: of `DeepFill`.
    """

    pattern: str
    key: Callable[[str, str], str]
    options: dict[str, Any]


def tensorflow_key(layer: str, tensor: str) -> str:
    """A name of TensorFlow's variables, without their scope."""
    kind = "kernel" if tensor == "weight" else tensor
    scope = f"{layer}/{layer}_conv" if layer.endswith("_upsample") else layer
    return f"{scope}/{kind}"


def pytorch_key(layer: str, tensor: str) -> str:
    """A name of the first PyTorch port, whose refinement is `fine_generator`."""
    is_fine = layer.startswith(("x", "pm", "all"))
    name = layer.removeprefix("x").removesuffix("_upsample")
    return f"{'fine' if is_fine else 'coarse'}_generator.{name}.conv.{tensor}"


def gated_pytorch_key(layer: str, tensor: str) -> str:
    """A name of the port of the gated network."""
    return f"{layer}{'.conv' if layer.endswith('_upsample') else ''}.conv.{tensor}"


RELEASES = (
    Release(
        r"pmconv1/kernel", tensorflow_key,
        {
            "attention": partial(
                ReleasedAttention, aligned=True, propagate=True, offset_norms=False
            ),
            "first_upsampler": AlignedNearest, "last_upsampler": AlignedNearest, "pads_end": True,
        },
    ),
    Release(
        r"fine_generator\.pmconv1\.conv\.weight", pytorch_key,
        {"attention": partial(ReleasedAttention, aligned=False, propagate=True, offset_norms=True)},
    ),
    Release(
        r"pmconv1\.conv\.weight", gated_pytorch_key,
        {
            "attention": partial(
                ReleasedAttention, aligned=False, propagate=False, offset_norms=True
            ),
            "pads_end": True,
        },
    ),
)  # fmt: skip


def is_published_inpainter(state: StateDict) -> bool:
    """Whether a state dict has the names of a released inpainting network."""
    return _release_of(_without_scope(state)) is not None


def inpainter_from_published(state: StateDict) -> DeepFill:
    """Build DeepFill with released weights, in evaluation mode.

    Args:
        state: tensors by the names of a release; critics and optimizers are left out.

    Raises:
        ValueError: if a tensor is missing or does not fit, or the names are of no release.
    """
    state = _without_scope(state)
    release = _release_of(state)
    if release is None:
        raise ValueError("the file must hold a released DeepFill network")
    if release.key is tensorflow_key:  # kernels are "row column in out"
        state = {k: v.permute(3, 2, 0, 1) if v.ndim == 4 else v for k, v in state.items()}
    channels = {
        layer: tensor_shape(state, release.key(layer, "weight"))[:2]
        for layer in ("conv1", "conv16", "conv17")
    }
    gated = channels["conv16"][0] == 2 * channels["conv17"][1]
    options = release.options | {"attention": release.options["attention"]()}
    network = DeepFill(channels["conv1"][0] // (1 + gated), gated=gated, **options)
    own = network.state_dict()
    keys = {name: _published_key(name, release) for name in own}
    state = {key: value for key, value in state.items() if not _is_foreign(key)}
    check_state_dict(state, {keys[name]: tuple(value.shape) for name, value in own.items()})
    network.load_state_dict({name: state[keys[name]].contiguous() for name in own})
    return network.eval()


def _published_key(name: str, release: Release) -> str:
    layer, _, tensor = name.rpartition(".conv.")
    return release.key(LAYERS[layer], tensor)


def _release_of(state: StateDict) -> Release | None:
    for release in RELEASES:
        if any(re.fullmatch(release.pattern, key) for key in state):
            return release
    return None


def _without_scope(state: StateDict) -> dict[str, Tensor]:
    """The tensors without TensorFlow's scope and number of output."""
    return {re.sub(r"^inpaint_net/|:0$", "", key): value for key, value in state.items()}


def _is_foreign(key: str) -> bool:
    """Whether an entry belongs to a critic or an optimizer."""
    return bool(re.search(r"discriminator|/Adam|_power$|^global_step", key))
