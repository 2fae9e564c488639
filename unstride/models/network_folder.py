"""Saves networks without a backbone of timm as folders of config, weights and card; loads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from unstride.formats.errors import naming_file
from unstride.saving.card import HOMEPAGE, card_text
from unstride.saving.folder import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    load_weights,
    read_config,
    save_model,
)

Network = TypeVar("Network", bound=nn.Module)
ENTRIES = {"model", "options"}
COMMANDS = {
    "inpainting": "inpaint photo.jpg --mask mask.png",
    "matting": "matte photo.jpg --trimap trimap.png",
}


def write_network(folder: Path, task: str, config: dict[str, Any], network: nn.Module) -> None:
    """Write a network; all files or none.

    Args:
        folder: output folder.
        task: inpainting or matting.
        config: `model`, the network's name, and `options` with which it was created.
        network: the network.
    """
    card = card_text(
        f"{config['model']} for {task}",
        f"""Trained with [unstride]({HOMEPAGE}):

    unstride {COMMANDS[task]} --model FOLDER""",
        ["unstride", task],
    )
    save_model(folder, {"task": task} | config, network, card)


def read_network(folder: Path, task: str, create: Callable[..., Network]) -> Network:
    """Load a network from a folder, in evaluation mode.

    Args:
        folder: as `write_network` leaves it.
        task: what it must be for.
        create: creates the network from its name and options.

    Raises:
        ValueError: if a file is missing or damaged, or the folder holds something else.
    """
    if not (folder / CONFIG_NAME).is_file() and (folder / "model" / CONFIG_NAME).is_file():
        raise ValueError(f"{folder} has no {CONFIG_NAME}, use {folder / 'model'} instead")
    config = read_config(folder)
    if config.get("task") != task or not config.keys() >= ENTRIES:
        raise ValueError(
            f"{folder}: task must be {task}, with a model and options, got {config.get('task')!r}"
        )
    with naming_file(folder / CONFIG_NAME):
        network = create(config["model"], **config["options"])
    load_weights(network, folder / WEIGHTS_NAME, "network")
    return network.eval()
