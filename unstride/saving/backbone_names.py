"""Names that other libraries give to the parameters of a ResNet, from timm's and back.

| library | a parameter | file |
|---|---|---|
| timm, torchvision | layer1.0.bn1.weight | safetensors; a state dict of torch |
| mmdetection | the same | a state dict of torch under `state_dict` |
| detectron2 | res2.0.conv1.norm.weight | a state dict of torch under `model` |

Other backbones have names of their own in each library.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from unstride.formats.atomic_write import atomic_path, atomic_write_bytes

LIBRARIES = ("timm", "torchvision", "detectron2", "mmdetection")
RESNET_NAME = re.compile(r"(conv1|bn1|fc|layer[1-4]\.\d+\.(conv|bn|downsample\.)\d)\.\w+")

# Patterns of timm's names and what detectron2 has in their place, tried from the first.
TO_DETECTRON2 = (
    (r"^conv1\.", "stem.conv1."),
    (r"^bn1\.", "stem.conv1.norm."),
    (r"^layer(\d)\.(\d+)\.bn(\d)\.", lambda m: f"res{int(m[1]) + 1}.{m[2]}.conv{m[3]}.norm."),
    (r"^layer(\d)\.(\d+)\.downsample\.0\.", lambda m: f"res{int(m[1]) + 1}.{m[2]}.shortcut."),
    (r"^layer(\d)\.(\d+)\.downsample\.1\.", lambda m: f"res{int(m[1]) + 1}.{m[2]}.shortcut.norm."),
    (r"^layer(\d)\.", lambda m: f"res{int(m[1]) + 1}."),
)
FROM_DETECTRON2 = (
    (r"^stem\.conv1\.norm\.", "bn1."),
    (r"^stem\.conv1\.", "conv1."),
    (r"^res(\d)\.(\d+)\.conv(\d)\.norm\.", lambda m: f"layer{int(m[1]) - 1}.{m[2]}.bn{m[3]}."),
    (r"^res(\d)\.(\d+)\.shortcut\.norm\.", lambda m: f"layer{int(m[1]) - 1}.{m[2]}.downsample.1."),
    (r"^res(\d)\.(\d+)\.shortcut\.", lambda m: f"layer{int(m[1]) - 1}.{m[2]}.downsample.0."),
    (r"^res(\d)\.", lambda m: f"layer{int(m[1]) - 1}."),
)


def to_library(state: Mapping[str, Tensor], library: str) -> dict[str, Tensor]:
    """The parameters of a ResNet of timm, by the names of a library.

    Raises:
        ValueError: if there is no such library, or the names are not those of a ResNet.
    """
    if library not in LIBRARIES:
        raise ValueError(f"library must be one of {', '.join(LIBRARIES)}, got {library!r}")
    if library == "timm":
        return dict(state)
    other = [name for name in state if not RESNET_NAME.fullmatch(name)]
    if other:
        raise ValueError(f"only ResNets have names in {library} that are known, got {other[0]}")
    if library != "detectron2":
        return dict(state)
    return {
        _renamed(name, TO_DETECTRON2): value
        for name, value in state.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }


def from_detectron2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a ResNet of detectron2, by timm's names."""
    return {_renamed(name, FROM_DETECTRON2): value for name, value in state.items()}


def write_backbone(path: Path, state: Mapping[str, Tensor], library: str = "timm") -> None:
    """Write a backbone's parameters as a library reads them; the file appears whole or not at all.

    Args:
        path: output file; its folder must exist.
        state: parameters by timm's names.
        library: see `to_library`.
    """
    named = to_library(state, library)
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in named.items()}
    if library == "timm":
        atomic_write_bytes(path, save(tensors, {"format": "pt"}))
        return
    content = {
        "torchvision": tensors,
        "mmdetection": {"state_dict": tensors},
        "detectron2": {"model": tensors, "matching_heuristics": True},
    }[library]
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def _renamed(name: str, rules: tuple) -> str:
    for pattern, replacement in rules:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name
