"""Writes a model to a folder and reads it back; each file appears whole or not at all.

| file | holds |
|---|---|
| config.json | the registered name, channels, scale and options; the version of unstride |
| model.safetensors | the `state_dict()` |
| README.md | a model card, written once; an existing one is kept |
"""

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from unstride.formats.atomic_write import atomic_write_bytes, remove_leftovers
from unstride.formats.errors import first_line, naming_file
from unstride.formats.state_dict import read_state_dict
from unstride.saving.card import model_card
from unstride.saving.configuration import build

CONFIG_NAME, WEIGHTS_NAME, CARD_NAME = "config.json", "model.safetensors", "README.md"


def save_model(
    folder: str | Path, config: dict[str, Any], model: nn.Module, card: str | None = None
) -> None:
    """Write config.json, model.safetensors and, if there is none yet, README.md.

    Args:
        folder: output folder. Created if it does not exist.
        config: content of config.json, without the version.
        model: the module whose tensors are written.
        card: text of README.md. Default: the card of an upsampler.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder, recursive=False)
    # Cloned, because safetensors refuses tensors that share memory.
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    atomic_write_bytes(folder / WEIGHTS_NAME, save(tensors, {"format": "pt"}))
    text = json.dumps(config | {"unstride": installed_version()}, indent=2, allow_nan=False)
    atomic_write_bytes(folder / CONFIG_NAME, (text + "\n").encode())
    if not (folder / CARD_NAME).exists():
        atomic_write_bytes(folder / CARD_NAME, (card or model_card(config)).encode())


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json.

    Raises:
        ValueError: if the file is missing or is not a JSON object.
    """
    try:
        config = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} has no {CONFIG_NAME}, which save_pretrained writes") from None
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(
            f"{folder / CONFIG_NAME} is not valid JSON ({type(error).__name__})"
        ) from None
    if not isinstance(config, dict):
        raise ValueError(
            f"{folder / CONFIG_NAME} must hold a JSON object, got a {type(config).__name__}"
        )
    return config


def load_model(folder: Path, classes: Sequence[type] = (), *, channels: int | None = None) -> Any:
    """Load the module in a folder, in evaluation mode. The arguments are those of `build`.

    Raises:
        ValueError: if a file is missing or damaged, or the weights do not fit the configuration.
    """
    config = read_config(folder)
    if "backbone" in config:
        raise ValueError(f"{folder} also holds a backbone: load it with unstride.from_pretrained")
    with naming_file(folder / CONFIG_NAME):
        model = build(config, classes, channels=channels)
    load_weights(model, folder / WEIGHTS_NAME, str(config["upsampler"]))
    return model.eval()


def load_weights(model: nn.Module, path: Path, description: str) -> None:
    """Load trained weights from a file, such as one that `unstride fit` writes.

    Args:
        model: gets the weights.
        path: a safetensors file, or a state dict that torch wrote.
        description: what the model is, in the error message.

    Raises:
        ValueError: if the file cannot be read, or holds weights of another model.
    """
    try:
        state = read_state_dict(path)
    except ValueError as error:
        raise ValueError(f"weights cannot be read: {error}") from None
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first_problem = next(iter(str(error).splitlines()[1:]), first_line(error))
        reason = first_problem.split(",")[0].strip(" .\t")
        raise ValueError(f"weights must fit this {description}, got {path}: {reason}") from None


def installed_version() -> str:
    """The version of unstride, or "source" if it runs from a folder, as in `torch.hub`."""
    try:
        return version("unstride")
    except PackageNotFoundError:
        return "source"
