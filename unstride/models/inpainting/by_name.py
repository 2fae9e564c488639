"""Creates inpainting networks and critics by name, for configs and the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.models.inpainting.attention import ContextualAttention, NoAttention
from unstride.models.inpainting.critics import GlobalLocalCritic, PatchCritic
from unstride.models.inpainting.deepfill import DeepFill
from unstride.models.inpainting.glcic import GLCIC
from unstride.models.inpainting.inpainter import Inpainter
from unstride.models.inpainting.partial_unet import PartialUNet
from unstride.models.network_folder import read_network
from unstride.models.upsampler_options import build_network

INPAINTERS: dict[str, Callable[..., Inpainter]] = {
    "deepfill": DeepFill,
    "glcic": GLCIC,
    "partial_unet": PartialUNet,
}
ATTENTIONS: dict[str, Callable[[], nn.Module]] = {
    "contextual": ContextualAttention,
    "no_propagation": lambda: ContextualAttention(propagate=False),
    "none": NoAttention,
}
CRITICS = "global_local", "patch", "patch_hole"


def create_inpainter(
    name: str, *, upsampler: str | None = None, attention: str | None = None, **options: Any
) -> Inpainter:
    """Create an inpainting network. Weights are stored channels-last, which is faster on CPUs.

    Args:
        name: deepfill, glcic or partial_unet.
        upsampler: name, with options, for every place that upsamples features. Default: the
            network's own.
        attention: of deepfill: contextual, no_propagation, or none, which leaves features as they
            are. Default: contextual.
        options: options of the network. One for a single place holds a name, such as
            first_upsampler="carafe".

    Raises:
        ValueError: if there is no such network, option or upsampler.
    """
    if name not in INPAINTERS:
        raise ValueError(f"model must be one of {', '.join(INPAINTERS)}, got {name!r}")
    if attention is not None:
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}, got {attention!r}")
        options["attention"] = ATTENTIONS[attention]()
    network = build_network(name, INPAINTERS[name], (), options, upsampler)
    return network.to(memory_format=torch.channels_last)


def read_inpainter(folder: Path) -> Inpainter:
    """Load a network that `unstride fit inpainting` left, in evaluation mode.

    Raises:
        ValueError: if a file is missing or damaged, or the folder holds something else.
    """
    return read_network(folder, "inpainting", create_inpainter)


def create_critic(name: str, size: tuple[int, int], width: int = 64) -> nn.Module:
    """Create a critic, called with images in [0, 1] and their holes.

    Args:
        name: global_local, as in DeepFill; patch, as in its free-form successor; patch_hole, which
            sees filled pixels alone, as in CARAFE's set-up.
        size: rows and columns of the images.
        width: channels of the first layers.

    Raises:
        ValueError: if there is no such critic, or images are too small for it.
    """
    if name not in CRITICS:
        raise ValueError(f"critic must be one of {', '.join(CRITICS)}, got {name!r}")
    if name == "global_local":
        return GlobalLocalCritic(size, width)
    return PatchCritic(width, hole_only=name == "patch_hole")
