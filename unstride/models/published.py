"""Loads weights that authors have published, of operators and of networks, from their own files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from unstride.formats.errors import naming_file
from unstride.formats.state_dict import read_state_dict
from unstride.models.inpainting.published import inpainter_from_published, is_published_inpainter
from unstride.models.matting.published import (
    is_published_matting_network,
    matting_network_from_published,
)
from unstride.upsamplers.published import load_published as load_published_operator

Network = TypeVar("Network")


def load_network(path: Path, kind: type[Network], read: Callable[[Path], Network]) -> Network:
    """Load a trained network from a folder, or released weights from a file.

    Args:
        path: the folder or file.
        kind: what the network must be.
        read: reads a folder.

    Raises:
        ValueError: if it cannot be read, or is something else.
    """
    network = load_published(path) if path.is_file() else read(path)
    if not isinstance(network, kind):
        raise ValueError(f"{path}: expected {kind.__name__}, got {type(network).__name__}")
    return network


def load_published(path: str | Path, **options: Any) -> Any:
    """Load published weights, in evaluation mode. Names and shapes tell what a file holds.

    Args:
        path: a safetensors file, or one written by `torch.save`. `unstride.upsamplers.published`
            lists the operators, `unstride.models.inpainting.published` has DeepFill, and
            `unstride.models.matting.published` the networks of A2U and IndexNet.
        options: of an operator: `prefix`, `channels`, `scale` and `downsample` of
            `unstride.upsamplers.published.load_published`.

    Raises:
        ValueError: if the file cannot be read, or holds anything else.
    """
    if not options:
        state = read_state_dict(path)
        with naming_file(Path(path)):
            if is_published_inpainter(state):
                return inpainter_from_published(state)
            if is_published_matting_network(state):
                return matting_network_from_published(state)
    return load_published_operator(path, **options)
