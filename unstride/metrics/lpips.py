"""LPIPS, a perceptual distance of images, whose weights may come from a file.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
arXiv:1801.03924. Uses torchmetrics' implementation and its linear layers. torchmetrics loads the
network below them from the internet only; here its state dict may also be a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from unstride.formats.downloads import download_timeout
from unstride.formats.errors import first_line
from unstride.formats.state_dict import read_state_dict

LPIPSNetwork = Literal["alex", "squeeze", "vgg"]


class LPIPS(nn.Module):
    """The distance of two batches of images. Its weights are fixed, gradients reach the images.

    Args:
        network: alex, squeeze or vgg.
        weights: state dict of torchvision's alexnet, squeezenet1_1 or vgg16 as safetensors or a
            file of torch. Default: torchvision downloads it.

    Raises:
        ValueError: if the weights are missing, damaged or of another network, or cannot be
            downloaded.
    """

    def __init__(self, network: LPIPSNetwork = "alex", weights: Path | None = None):
        super().__init__()
        from torchmetrics.functional.image.lpips import _LPIPS

        try:
            with download_timeout():
                self.distance = _LPIPS(net=network, pnet_rand=weights is not None)
        except OSError as error:
            raise ValueError(
                f"LPIPS cannot download the weights of {network} ({first_line(error)}); "
                "connect to the internet, or give a file with its state dict as lpips_weights"
            ) from None
        if weights is not None:
            load_backbone(self.distance.net, read_state_dict(weights), weights)

    def forward(
        self, images: Float[Tensor, "b 3 h w"], others: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, ""]:
        """The mean distance. Images are RGB in [0, 1]; LPIPS itself takes them in [-1, 1]."""
        return self.distance(images, others, normalize=True).mean()


def feature_distance(
    features: Mapping[int, Tensor], others: Mapping[int, Tensor]
) -> Float[Tensor, ""]:
    """LPIPS without its learned weights, on the features of any network.

    Sums over levels the mean, over places and images, of the squared distance of the features,
    which are scaled to length 1 (equation 1 of the paper with all weights 1). 0 for equal images.

    Args:
        features: maps "b c h w" by stride.
        others: those of the other images, with the same levels.
    """
    distances = [
        (normalize(maps) - normalize(others[stride])).square().sum(1).mean()
        for stride, maps in features.items()
    ]
    return torch.stack(distances).sum()


def load_backbone(backbone: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load torchvision's `features.N.weight` into the slices of torchmetrics' backbone.

    Raises:
        ValueError: if a tensor is missing or has another shape.
    """
    for name, parameter in backbone.named_parameters():
        layers = name.split(".")
        start = next(i for i, layer in enumerate(layers) if layer.isdigit() and i)
        if "slices" in layers:  # slices.0.3.weight: the first number is that of the slice
            start = 2
        key = f"features.{'.'.join(layers[start:])}"
        if key not in state or state[key].shape != parameter.shape:
            shape = tuple(state[key].shape) if key in state else "nothing"
            raise ValueError(f"{path}: {key} must be {tuple(parameter.shape)}, got {shape}")
        parameter.data.copy_(state[key])
