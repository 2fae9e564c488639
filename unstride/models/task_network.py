"""A task network as a folder: what makes it again, in words, and all its tensors."""

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn

from unstride.models.segmentation.by_name import factory
from unstride.backbones.pyramid import PlainPyramid, create_pyramid
from unstride.saving.folder import (
    CONFIG,
    WEIGHTS,
    load_weights,
    read_config,
    refusing,
    write_folder,
)

BUILDERS = {  # where each kind is made; torchvision's detectors are not loaded for depth
    "segmentation": "unstride.models.segmentation.by_name:create_segmenter",
    "detection": "unstride.models.detection.by_name:create_object_detector",
    "panoptic": "unstride.models.detection.by_name:create_panoptic",
    "depth": "unstride.models.multitask.by_name:create_depth",
    "multitask": "unstride.models.multitask.by_name:create_multitask",
}
PYRAMID = "pyramid_upsampler"  # of a plain vision transformer's pyramid


def create_task(described: dict[str, Any], *, pretrained: bool = False, **backbone: Any) -> Any:
    """The network that a description says, on a fresh pyramid.

    The upsampler is that of a plain vision transformer's pyramid too, guided by the image, where
    no option `pyramid_upsampler` names another. The weights lie channels-last, which saves a
    quarter of a training step on CPUs.

    Args:
        described: `task`, `model`, `backbone`, `strides`, `classes` (names, if any), `upsampler` (a
            word or None) and `options`; of depth and several tasks these have `near` and `far` in
            metres, and `tasks` by name.
        pretrained: with the backbone's trained weights.
        backbone: of `create_pyramid`.

    Raises:
        ValueError: if it says something that there is not.
    """
    task = described["task"]
    if task not in BUILDERS:
        raise ValueError(f"task {task!r}: there are {', '.join(BUILDERS)}")
    if "upsampler" in described["options"]:
        raise ValueError("model_options: upsampler is an option of its own, --upsampler")
    options = dict(described["options"])
    own = options.pop(PYRAMID, None)
    word = own or described["upsampler"]
    more: dict[str, Any] = {} if word is None else {"upsampler": factory(word)}
    pyramid = create_pyramid(
        described["backbone"], described["strides"], pretrained=pretrained, **more, **backbone
    )
    if own and not isinstance(pyramid, PlainPyramid):
        raise ValueError(f"{PYRAMID}: {described['backbone']} has these strides itself")
    network = resolve_name(BUILDERS[task])(
        described["model"], pyramid, len(described["classes"]),
        upsampler=described["upsampler"], **options,
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last)


def write_task(folder: Path, described: dict[str, Any], network: nn.Module) -> None:
    """Write a network that `create_task` made of this description, whole or not at all."""
    write_folder(folder, described, network, _card(described))


def read_task(folder: str | Path) -> tuple[Any, dict[str, Any]]:
    """The network in a folder, for evaluation, and its description.

    Args:
        folder: such as `unstride fit` leaves, OUT/model.

    Raises:
        ValueError: if a file is missing or broken, or one does not fit the other.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file() and (folder / "model" / CONFIG).is_file():
        raise ValueError(f"{folder}: the network is in {folder / 'model'}")
    described = read_config(folder)
    if "task" not in described:
        raise ValueError(f"{folder}: no task network, perhaps an upsampler")
    with refusing(folder / CONFIG):
        network = create_task(described)
    load_weights(network, folder / WEIGHTS, "network")
    return network.eval(), described


def _card(described: dict[str, Any]) -> str:
    return f"""---
library_name: unstride
tags:
- unstride
- {described["task"]}
---
# {described["model"]} on {described["backbone"]}

{described["task"].capitalize()}, with [unstride](https://github.com/unstride/unstride):

    unstride predict photo.jpg --model FOLDER

What it was trained on, what was measured, and the licence: not written yet.
"""
