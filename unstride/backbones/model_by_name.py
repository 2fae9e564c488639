"""Creates the model of a backbone: timm's by their names, torchvision's as torchvision/NAME."""

from pathlib import Path
from typing import Any

from torch import nn

from unstride.backbones.timm_model import create_timm_model
from unstride.backbones.torchvision_model import create_torchvision_model

TORCHVISION = "torchvision/"


def create_model(
    name: str, pretrained: bool, weights: str | Path | None = None, **options: Any
) -> nn.Module:
    """Create a model without its classifier and load its weights.

    Args:
        name, pretrained, weights: see `unstride.create_backbone`.
        options: further arguments of `timm.create_model`; torchvision's models take none.
    """
    if name.startswith(TORCHVISION):
        return create_torchvision_model(name.removeprefix(TORCHVISION), pretrained, weights)
    return create_timm_model(name, pretrained, weights, num_classes=0, **options)
