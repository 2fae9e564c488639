"""TODO."""

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d


def convert_to_frozen_batchnorm(network: nn.Module, epsilon: float | None = None) -> nn.Module:
    """Replaces batch norms, in place, by torchvision's frozen ones; returns the network.

    Usual with a few images per step, whose statistics are worth little.

    Args:
        network: any whose batch norms have no activation of their own, such as a ResNet of timm.
        epsilon: of the frozen ones; by default each one's own. torchvision's first COCO
            checkpoints want 0.
    """
    for name, norm in list(network.named_modules()):
        if type(norm) is nn.BatchNorm2d:
            frozen = FrozenBatchNorm2d(norm.num_features, norm.eps if epsilon is None else epsilon)
            state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
            frozen.load_state_dict(state)
            frozen.to(norm.running_mean)
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, frozen)
    return network


def load_torchvision_weights(detector: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads a state dict of torchvision's detector on a ResNet.

    That is, of `fasterrcnn_resnet50_fpn`, `maskrcnn_resnet50_fpn`, `fcos_resnet50_fpn` or
    `retinanet_resnet50_fpn`, or, into one of version 2, of those called v2.

    Args:
        detector: on the pyramid of timm's same ResNet, in version 1 after
            `convert_to_frozen_batchnorm`.
        state: of torchvision's detector; the stem of the names of its body is lengthened.

    Raises:
        RuntimeError: if names or shapes do not fit.
    """
    body = "backbone.body."
    inner = f"{body}model."
    detector.load_state_dict({k.replace(body, inner, 1): v for k, v in state.items()})
