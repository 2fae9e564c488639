"""Saves an inpainting network as a folder of config, weights and card, and loads it."""

from pathlib import Path
from typing import Any

from unstride.formats.errors import naming_file
from unstride.models.inpainting.by_name import create_inpainter
from unstride.models.inpainting.inpainter import Inpainter
from unstride.saving.card import HOMEPAGE, card_text
from unstride.saving.folder import WEIGHTS_NAME, load_weights, read_config, save_model

TASK = "inpainting"
ENTRIES = {"model", "options"}


def write_inpainter(folder: Path, config: dict[str, Any], network: Inpainter) -> None:
    """Write a network; all files or none.

    Args:
        folder: output folder.
        config: `model`, and `options` of `create_inpainter`.
        network: the network.
    """
    card = card_text(
        f"{config['model']} for inpainting",
        f"""Fills holes of images, with [unstride]({HOMEPAGE}):

    unstride inpaint photo.jpg --mask mask.png --model FOLDER""",
        ["unstride", TASK],
    )
    save_model(folder, {"task": TASK} | config, network, card)


def read_inpainter(folder: Path) -> Inpainter:
    """Load a network from a folder, in evaluation mode.

    Raises:
        ValueError: if a file is missing or damaged, or the folder holds something else.
    """
    if not (folder / "config.json").is_file() and (folder / "model" / "config.json").is_file():
        raise ValueError(f"{folder} has no config.json, use {folder / 'model'} instead")
    config = read_config(folder)
    if config.get("task") != TASK or not config.keys() >= ENTRIES:
        raise ValueError(
            f"{folder}: task must be {TASK}, with a model and options, got {config.get('task')!r}"
        )
    with naming_file(folder / "config.json"):
        network = create_inpainter(config["model"], **config["options"])
    load_weights(network, folder / WEIGHTS_NAME, "network")
    return network.eval()
