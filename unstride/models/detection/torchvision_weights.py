"""Loads torchvision's detection checkpoints, and freezes batch norms as they expect."""

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d


def convert_to_frozen_batchnorm(network: nn.Module, epsilon: float | None = None) -> nn.Module:
    """Replace batch norms by torchvision's frozen ones, in place; returns the network.

    Usual with a few images per step, whose statistics are unreliable.

    Args:
        network: a network whose batch norms have no activation inside, such as timm's ResNets.
        epsilon: epsilon of the frozen norms. Default: that of each batch norm. torchvision's first
            COCO checkpoints need 0.
    """
    for name, norm in list(network.named_modules()):
        if type(norm) is nn.BatchNorm2d:
            frozen = FrozenBatchNorm2d(norm.num_features, norm.eps if epsilon is None else epsilon)
            state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
            frozen.load_state_dict(state)
            frozen.to(norm.running_mean)
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, frozen)
    return network


def load_torchvision_weights(detector: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load the state dict of a torchvision detector with a ResNet backbone.

    For version 1 this is that of `fasterrcnn_resnet50_fpn`, `maskrcnn_resnet50_fpn`,
    `fcos_resnet50_fpn` or `retinanet_resnet50_fpn`; for version 2 that of the models called v2.

    Args:
        detector: a detector on the pyramid of timm's same ResNet; in version 1 after
            `convert_to_frozen_batchnorm`.
        state_dict: state dict of torchvision's detector. The prefix of its backbone's keys is
            adapted.

    Raises:
        RuntimeError: if names or shapes do not fit.
    """
    prefix = "backbone.body."
    detector.load_state_dict(
        {key.replace(prefix, f"{prefix}model.", 1): value for key, value in state_dict.items()}
    )
