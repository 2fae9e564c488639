"""A task network as a folder: what makes it again, in words, and all its tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.backbones.pyramid import PlainViTPyramid, create_pyramid
from unstride.saving.card import HOMEPAGE, card_text
from unstride.saving.folder import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    load_weights,
    naming_file,
    read_config,
    save_model,
)
from unstride.upsamplers.from_words import upsampler_factory

TASKS = ("segmentation", "detection", "panoptic", "depth", "multitask")
PYRAMID_UPSAMPLER = "pyramid_upsampler"  # of a plain vision transformer's pyramid


def create_task_network(
    described: dict[str, Any], *, pretrained: bool = False, **backbone: Any
) -> Any:
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
    if task not in TASKS:
        raise ValueError(f"task {task!r}: there are {', '.join(TASKS)}")
    if "upsampler" in described["options"]:
        raise ValueError("model_options: upsampler is an option of its own, --upsampler")
    options = dict(described["options"])
    own = options.pop(PYRAMID_UPSAMPLER, None)
    word = own or described["upsampler"]
    more: dict[str, Any] = {} if word is None else {"upsampler": upsampler_factory(word)}
    pyramid = create_pyramid(
        described["backbone"], described["strides"], pretrained=pretrained, **more, **backbone
    )
    if own and not isinstance(pyramid, PlainViTPyramid):
        raise ValueError(f"{PYRAMID_UPSAMPLER}: {described['backbone']} has these strides itself")
    network = _factory_of(task)(
        described["model"], pyramid, len(described["classes"]),
        upsampler=described["upsampler"], **options,
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last)


def _factory_of(task: str) -> Callable[..., nn.Module]:
    """The function that builds a task's networks by name.

    Each is imported when it is needed: torchvision's detectors are not loaded for depth.
    """
    if task == "segmentation":
        from unstride.models.segmentation.by_name import create_segmenter

        return create_segmenter
    if task == "detection":
        from unstride.models.detection.by_name import create_detector_by_name

        return create_detector_by_name
    if task == "panoptic":
        from unstride.models.panoptic.by_name import create_panoptic_network

        return create_panoptic_network
    if task == "depth":
        from unstride.models.depth.by_name import create_depth_network

        return create_depth_network
    from unstride.models.multitask.by_name import create_multitask_network

    return create_multitask_network


def write_task(folder: Path, described: dict[str, Any], network: nn.Module) -> None:
    """Write a network that `create_task_network` made of this description, whole or not at all."""
    save_model(folder, described, network, _model_card(described))


def read_task(folder: str | Path) -> tuple[Any, dict[str, Any]]:
    """The network in a folder, for evaluation, and its description.

    Args:
        folder: such as `unstride fit` leaves, OUT/model.

    Raises:
        ValueError: if a file is missing or broken, or one does not fit the other.
    """
    folder = Path(folder)
    if not (folder / CONFIG_NAME).is_file() and (folder / "model" / CONFIG_NAME).is_file():
        raise ValueError(f"{folder}: the network is in {folder / 'model'}")
    described = read_config(folder)
    if "task" not in described:
        raise ValueError(f"{folder}: no task network, perhaps an upsampler")
    with naming_file(folder / CONFIG_NAME):
        network = create_task_network(described)
    load_weights(network, folder / WEIGHTS_NAME, "network")
    return network.eval(), described


def _model_card(described: dict[str, Any]) -> str:
    task = described["task"]
    return card_text(
        f"{described['model']} on {described['backbone']}",
        f"""{task.capitalize()}, with [unstride]({HOMEPAGE}):

    unstride predict photo.jpg --model FOLDER""",
        ["unstride", task],
    )
