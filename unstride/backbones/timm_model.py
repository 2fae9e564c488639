"""Creates timm models and loads their weights. The only module that imports timm."""

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from unstride.backbones.packaged_weights import has_packaged_weights, load_packaged_weights
from unstride.backbones.weights_file import load_weights_file
from unstride.saving.huggingface import downloads_from_hub


def create_timm_model(
    name: str,
    pretrained: bool,
    weights: str | Path | None,
    num_classes: int | None,
    **options: Any,
) -> nn.Module:
    """Create a timm model and load its weights.

    Args:
        name, pretrained, weights: see `unstride.create_backbone`.
        num_classes: number of classes. None: all classes of the weights.
        options: further arguments of `timm.create_model`.
    """
    import timm

    if not timm.is_model(name):
        similar = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:5])
        similar = similar or "see timm.list_models()"
        raise ValueError(f"backbone must be a timm model, got {name!r}; similar names: {similar}")
    download = pretrained and weights is None and not has_packaged_weights(name)
    if num_classes is not None:
        options["num_classes"] = num_classes
    if download:
        return _create_with_download(timm, name, options)
    model = _create_model(timm, name, False, options)
    if weights is not None:
        load_weights_file(model, Path(weights))
    elif pretrained:
        load_packaged_weights(model, name)
    return model


def convert_to_sync_batchnorm(network: nn.Module) -> nn.Module:
    """Convert batch norms to use the statistics of all processes.

    Uses timm's conversion, because torch's loses the activations of timm's norm layers.
    """
    from timm.layers import convert_sync_batchnorm

    return convert_sync_batchnorm(network)


def create_lars(
    groups: list[dict[str, Any]], learning_rate: float, momentum: float
) -> torch.optim.Optimizer:
    """LARS (You et al., arXiv:1708.03888), timm's. Groups without weight decay are not adapted."""
    from timm.optim import Lars

    return Lars(groups, lr=learning_rate, momentum=momentum)


def _create_model(
    timm: ModuleType, name: str, download: bool, options: dict[str, Any]
) -> nn.Module:
    # only transformers accept dynamic_img_size, so try with it first
    for extra_options in ({"dynamic_img_size": True}, {}):
        try:
            return timm.create_model(name, pretrained=download, **options, **extra_options)
        except TypeError as error:
            if "dynamic_img_size" not in str(error):
                raise
    raise AssertionError("unreachable")


def _create_with_download(timm: ModuleType, name: str, options: dict[str, Any]) -> nn.Module:
    with downloads_from_hub() as is_reachable:
        try:
            return _create_model(timm, name, True, options)
        except Exception as error:
            reason = type(error).__name__ if is_reachable else "the Hugging Face Hub is unreachable"
            raise OSError(
                f"the weights of {name} could not be downloaded ({reason}); "
                "connect to the internet, pass a weights file (weights=, --backbone-weights) "
                "or use pretrained=False"
            ) from error
