"""Loads the released matting networks of A2U and IndexNet, from their own files.

| file of | licence |
|---|---|
| dongdong93/a2u_matting | the code MIT, weights non-commercial: trained on Adobe's data |
| poppinace/indexnet_matting | academic use |

A2U's norms are those of inplace_abn, whose factor is |weight| + 1e-5.
"""

import re
from collections.abc import Callable, Mapping
from math import isqrt

import torch
from torch import Tensor

from unstride.models.matting.a2u_net import A2UNet
from unstride.models.matting.index_net import LAYERS, IndexNet
from unstride.models.matting.matting_network import MattingNetwork
from unstride.upsamplers.published import a2u_key, index_key
from unstride.upsamplers.published_state import StateDict, check_state_dict, tensor_shape

ABN_EPSILON = 1e-5
INDEXED_LAYERS = 0, 2, 3, 4, 6  # of the released network, whose maps are halved
A2U_MARK, INDEX_MARK = "bilinear0.bconv_UP.1.weight", "index0.indexnet1.0.weight"

ASPP_KEYS = {
    r"branches\.0\.(\d)\.": r"aspp1.atrous_conv.\1.",
    r"mean\.0\.": "global_avg_pool.1.",
    r"mean\.1\.": "global_avg_pool.2.",
    r"merge\.": "bottleneck_conv.",
}
A2U_NET_KEYS: dict[str, str | Callable[[re.Match], str]] = {
    r"^stem\.": "layer0.",
    r"^(stage1|stage2|stage3)\.(\d+)\.(first|second)\.(\d)\.": lambda m: (
        f"{ {'stage1': 'layer1', 'stage2': 'layer2_2', 'stage3': 'layer3_2'}[m[1]] }."
        f"block{int(m[2]) + 1}.convs.{'bn' if m[4] == '1' else 'conv'}"
        f"{1 if m[3] == 'first' else 2}."
    ),
    r"^halve(\d)\.(first|second)\.(\d)\.": lambda m: (
        f"layer{m[1]}_1.layer{1 if m[2] == 'first' else 2}."
        f"{'bn' if m[3] == '1' else 'conv'}{1 if m[2] == 'first' else 2}."
    ),
    r"^halve(\d)\.project\.0\.": r"layer\1_1.proj_conv.",
    r"^halve(\d)\.project\.1\.": r"layer\1_1.proj_bn.",
    r"^aspp\.branches\.([123])\.(\d)\.(\d)\.": lambda m: (
        f"dconv_pp.aspp{int(m[1]) + 1}.atrous_conv.{2 * int(m[2]) + int(m[3])}."
    ),
    r"^shortcuts\.(\d)\.": lambda m: f"short{3 - int(m[1])}.",
    r"^decoder\.(\d)\.0\.": lambda m: f"decoder_layer{4 - int(m[1])}.dconv.",
    r"^decoder\.(\d)\.1\.": lambda m: f"decoder_layer{4 - int(m[1])}.dconv1.",
    r"^head\.": "pred.",
}
INDEX_NET_KEYS: dict[str, str | Callable[[re.Match], str]] = {
    r"^stem\.": "layer0.",
    r"^context\.branches\.([123])\.(\d)\.(\d)\.": lambda m: (
        f"dconv_pp.aspp{int(m[1]) + 1}.atrous_conv.{3 * int(m[2]) + int(m[3])}."
    ),
    r"^decoder\.(\d)\.": lambda m: f"decoder_layer{6 - int(m[1])}.dconv.",
    r"^head\.": "pred.",
}
BLOCK_PARTS = "expand", "depthwise", "project"


def is_published_matting_network(state: StateDict) -> bool:
    """Whether a state dict has the names of a released matting network."""
    return any(mark in _without_prefix(state) for mark in (A2U_MARK, INDEX_MARK))


def matting_network_from_published(state: StateDict) -> MattingNetwork:
    """Build A2U's or IndexNet's network with released weights, in evaluation mode.

    Args:
        state: tensors by the names of a release.

    Raises:
        ValueError: if a tensor is missing or does not fit, or the names are of no release.
    """
    state = _without_prefix(state)
    network: MattingNetwork
    if A2U_MARK in state:
        network, key = a2u_net_like(state), a2u_net_key
        state = _with_plain_norms(state)
    elif INDEX_MARK in state:
        network, key = index_net_like(state), index_net_key
    else:
        raise ValueError("the file must hold a released matting network")
    own = network.state_dict()
    keys = {name: key(name) for name in own}
    counters = {k: torch.tensor(0) for k in keys.values() if k.endswith("num_batches_tracked")}
    state = counters | dict(state)  # norms of old torch do not count batches
    check_state_dict(state, {keys[name]: tuple(value.shape) for name, value in own.items()})
    network.load_state_dict({name: state[keys[name]] for name in own})
    return network.eval()


def a2u_net_like(state: Mapping[str, Tensor]) -> A2UNet:
    """A2U's network with the layers of a file."""
    pair = {
        "kernel_size": isqrt(tensor_shape(state, A2U_MARK)[0]) // 2, "start": "published",
        "sharing": (
            "shared" if tensor_shape(state, "bilinear0.bconv_U.1.weight")[0] == 1 else "unshared"
        ),
    }  # fmt: skip
    first = _count(state, r"layer1\.block(\d+)\.convs\.conv1\.weight")
    others = [_count(state, rf"layer{n}_2\.block(\d+)\.convs\.conv1\.weight") + 1 for n in (2, 3)]
    return A2UNet(
        tensor_shape(state, "layer0.0.weight")[0], blocks=(first, *others), pair_options=pair,
        aspp="dconv_pp.aspp1.atrous_conv.0.weight" in state,
        decoder_kernel_size=tensor_shape(state, "pred.1.weight")[2],
    )  # fmt: skip


def index_net_like(state: Mapping[str, Tensor]) -> IndexNet:
    """IndexNet with the layers of a file: many-to-one indices, nonlinear, of any context."""
    side = tensor_shape(state, INDEX_MARK)[2]
    blocks = [_count(state, rf"layer{i + 1}\.(\d+)\.conv\.0\.weight") for i in range(len(LAYERS))]
    return IndexNet(
        tensor_shape(state, "layer0.0.weight")[0] / 32, blocks=blocks,
        pair_options={"start": "published", "context": side == 4},
        aspp="dconv_pp.aspp1.atrous_conv.0.weight" in state,
    )  # fmt: skip


def a2u_net_key(name: str) -> str:
    """The released name of a tensor of `A2UNet`."""
    if match := re.match(r"(pair(\d)|halve(\d)\.pair)\.(.+)", name):
        scope = f"bilinear{match[2]}" if match[2] else f"layer{match[3]}_1.bilinear"
        return f"{scope}.{a2u_key(match[4])}"
    name = _replaced(name, A2U_NET_KEYS)
    return f"dconv_pp.{_replaced(name[5:], ASPP_KEYS)}" if name.startswith("aspp.") else name


def index_net_key(name: str) -> str:
    """The released name of a tensor of `IndexNet`."""
    if match := re.match(r"pairs\.(\d)\.(.+)", name):
        key = index_key(match[2], holistic=False, nonlinear=True)
        return f"index{INDEXED_LAYERS[int(match[1])]}.{key}"
    if match := re.match(r"layers\.(\d)\.(\d+)\.(\w+)\.(\d)\.(.+)", name):
        parts = BLOCK_PARTS[1:] if LAYERS[int(match[1])][0] == 1 else BLOCK_PARTS
        place = 3 * parts.index(match[3]) + int(match[4])
        return f"layer{int(match[1]) + 1}.{match[2]}.conv.{place}.{match[5]}"
    name = _replaced(name, INDEX_NET_KEYS)
    if re.match(r"context\.\d\.", name):  # without pyramid pooling
        return f"dconv_pp.{name[8:]}"
    return f"dconv_pp.{_replaced(name[8:], ASPP_KEYS)}" if name.startswith("context.") else name


def _with_plain_norms(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, with the factors of inplace_abn's norms as batch norm has them."""
    norms = {k.removesuffix("running_mean") + "weight" for k in state if k.endswith("running_mean")}
    return {k: v.abs() + ABN_EPSILON if k in norms else v for k, v in state.items()}


def _without_prefix(state: StateDict) -> dict[str, Tensor]:
    """The tensors without the prefix of a model that was trained on several devices."""
    return {key.removeprefix("module."): value for key, value in state.items()}


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, key)) for key in state)


def _replaced(name: str, patterns: Mapping) -> str:
    for pattern, replacement in patterns.items():
        name = re.sub(pattern, replacement, name)
    return name
