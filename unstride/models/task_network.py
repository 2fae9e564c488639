"""Builds task networks from a config, and saves them as a folder of config, weights and card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.backbones.pyramid import PlainViTPyramid, create_pyramid
from unstride.formats.errors import naming_file
from unstride.saving.card import HOMEPAGE, card_text
from unstride.saving.folder import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    load_weights,
    read_config,
    save_model,
)
from unstride.upsamplers.from_words import upsampler_factory

TASKS = ("segmentation", "detection", "panoptic", "depth", "multitask")
PYRAMID_UPSAMPLER = "pyramid_upsampler"  # option for the pyramid of a plain vision transformer


def create_task_network(
    config: dict[str, Any], *, pretrained: bool = False, **backbone_options: Any
) -> Any:
    """Build the network of a config on a new pyramid.

    The upsampler is used in the pyramid of a plain vision transformer too, guided by the image,
    unless the option `pyramid_upsampler` names another. Weights are stored channels-last, which
    makes a training step on CPUs a quarter faster.

    Args:
        config: `task`, `model`, `backbone`, `strides`, `classes` (names, may be empty), `upsampler`
            (name with options, or None) and `options`. For depth and multitask the options include
            `near` and `far` in metres; for multitask also `tasks`, a list of names.
        pretrained: load the backbone's trained weights.
        backbone_options: further arguments of `create_pyramid`.

    Raises:
        ValueError: if the config names something that does not exist.
    """
    task = config["task"]
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    if "upsampler" in config["options"]:
        raise ValueError("model_options must not contain upsampler, use --upsampler")
    options = dict(config["options"])
    pyramid_upsampler = options.pop(PYRAMID_UPSAMPLER, None)
    name = pyramid_upsampler or config["upsampler"]
    if name is not None:
        backbone_options["upsampler"] = upsampler_factory(name)
    pyramid = create_pyramid(
        config["backbone"], config["strides"], pretrained=pretrained, **backbone_options
    )
    if pyramid_upsampler and not isinstance(pyramid, PlainViTPyramid):
        raise ValueError(f"{PYRAMID_UPSAMPLER} needs a plain ViT, got {config['backbone']}")
    network = _factory_of(task)(
        config["model"], pyramid, len(config["classes"]), upsampler=config["upsampler"], **options
    )
    return network.to(memory_format=torch.channels_last)


def write_task(folder: Path, config: dict[str, Any], network: nn.Module) -> None:
    """Save a network that `create_task_network` built from this config; all files or none."""
    save_model(folder, config, network, _model_card(config))


def read_task(folder: str | Path) -> tuple[Any, dict[str, Any]]:
    """Load a task network from a folder, in evaluation mode, and its config.

    Args:
        folder: folder of a trained network: OUT/model of `unstride fit`.

    Raises:
        ValueError: if a file is missing or damaged, or the files do not fit together.
    """
    folder = Path(folder)
    if not (folder / CONFIG_NAME).is_file() and (folder / "model" / CONFIG_NAME).is_file():
        raise ValueError(f"{folder} has no {CONFIG_NAME}, use {folder / 'model'} instead")
    config = read_config(folder)
    if "task" not in config:
        raise ValueError(f"{folder}: {CONFIG_NAME} has no task, this may be an upsampler")
    with naming_file(folder / CONFIG_NAME):
        network = create_task_network(config)
    load_weights(network, folder / WEIGHTS_NAME, "network")
    return network.eval(), config


def _factory_of(task: str) -> Callable[..., nn.Module]:
    """The function that builds a task's networks by name.

    Imports only that task's package, so that depth does not load torchvision's detectors.
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


def _model_card(config: dict[str, Any]) -> str:
    task = config["task"]
    return card_text(
        f"{config['model']} on {config['backbone']}",
        f"""{task.capitalize()}, with [unstride]({HOMEPAGE}):

    unstride predict photo.jpg --model FOLDER""",
        ["unstride", task],
    )
