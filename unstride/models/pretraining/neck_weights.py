"""A pretrained FPN, and the convolutions of FCOS's head, as a file that task networks start from.

| parameter | name in the file |
|---|---|
| 1 x 1 convolution of the level of stride 8 | inner.8.weight, inner.8.bias |
| 3 x 3 convolution of that level | layer.8.weight, layer.8.bias |
| convolution or norm of the head | tower.0.weight, tower.0.bias, tower.1.weight, ... |

Names hold strides, because a network's FPN may begin at another level than the pretrained one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.formats.state_dict import read_state_dict
from unstride.necks.fpn import FPN


def neck_state(fpn: FPN, tower: nn.Module | None) -> dict[str, Tensor]:
    """The parameters of an FPN, and of the convolutions after it if there are any, by name."""
    state = {}
    for stride, layers in _level_layers(fpn).items():
        for kind, layer in layers.items():
            for name, parameter in layer.named_parameters():
                state[f"{kind}.{stride}.{name}"] = parameter.detach()
    if tower is not None:
        state |= {f"tower.{name}": p.detach() for name, p in tower.named_parameters()}
    return state


def load_neck_weights(network: nn.Module, path: Path) -> None:
    """Copy a pretrained neck into a network: into its FPN, and FCOS's convolutions into its head.

    Levels that the file does not have keep their parameters, as do other heads than FCOS's.

    Args:
        network: a network of a task.
        path: the file.

    Raises:
        ValueError: if the network has no FPN, or the file does not fit it.
    """
    state = read_state_dict(path)
    fpns = [module for module in network.modules() if isinstance(module, FPN)]
    if not fpns:
        raise ValueError("neck_weights needs a network with an FPN, which this one does not have")
    for stride, layers in _level_layers(fpns[0]).items():
        for kind, layer in layers.items():
            _copy(state, f"{kind}.{stride}.", layer, path)
    if not any(name.startswith(("inner.", "layer.")) for name in state):
        raise ValueError(f"{path}: holds no FPN; give the neck.safetensors of a pretraining run")
    for head in ("classification_head", "regression_head"):
        tower = getattr(getattr(network, "head", None), head, None)
        if isinstance(convolutions := getattr(tower, "conv", None), nn.Sequential):
            _copy(state, "tower.", convolutions, path)


def _level_layers(fpn: FPN) -> dict[int, dict[str, Any]]:
    """The two convolutions of each level, by stride."""
    blocks: Any = zip(fpn.strides, fpn.inner_blocks, fpn.layer_blocks, strict=True)
    return {stride: {"inner": inner[0], "layer": layer[0]} for stride, inner, layer in blocks}


@torch.no_grad()
def _copy(state: Mapping[str, Tensor], prefix: str, layer: nn.Module, path: Path) -> None:
    """Copy the parameters that the file has."""
    for name, parameter in layer.named_parameters():
        given = state.get(prefix + name)
        if given is None:
            continue
        if given.shape != parameter.shape:
            raise ValueError(
                f"{path}: {prefix}{name} must be of shape {tuple(parameter.shape)} for this "
                f"network, got {tuple(given.shape)}; pretrain with another neck_width"
            )
        parameter.copy_(given)
