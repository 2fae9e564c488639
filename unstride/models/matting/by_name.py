"""Creates matting networks by name, for configs and the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from unstride.models.matting.a2u_net import A2UNet
from unstride.models.matting.index_net import IndexNet
from unstride.models.matting.matting_network import MattingNetwork
from unstride.models.network_folder import read_network

MATTING_NETWORKS: dict[str, Callable[..., MattingNetwork]] = {
    "a2u_net": A2UNet,
    "index_net": IndexNet,
}


def create_matting_network(name: str, **options: Any) -> MattingNetwork:
    """Create a matting network. Weights are stored channels-last, which is faster on CPUs.

    Args:
        name: a2u_net or index_net.
        options: options of the network.

    Raises:
        ValueError: if there is no such network, operator or option.
    """
    if name not in MATTING_NETWORKS:
        raise ValueError(f"model must be one of {', '.join(MATTING_NETWORKS)}, got {name!r}")
    try:
        network = MATTING_NETWORKS[name](**options)
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None
    return network.to(memory_format=torch.channels_last)


def read_matting_network(folder: Path) -> MattingNetwork:
    """Load a network that `unstride fit matting` left, in evaluation mode.

    Raises:
        ValueError: if a file is missing or damaged, or the folder holds something else.
    """
    return read_network(folder, "matting", create_matting_network)
