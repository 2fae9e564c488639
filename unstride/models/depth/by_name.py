"""Creates depth networks by name, for configs and the command line."""

from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.depth.monodepth import Monodepth
from unstride.models.multitask.single_task import SingleTask
from unstride.models.multitask.task import LogDepth
from unstride.models.upsampler_options import build_network

DEPTH_NETWORKS = ("supervised", "monodepth")


def create_depth_network(
    name: str,
    pyramid: Pyramid,
    classes: int = 0,
    *,
    near: float,
    far: float,
    upsampler: str | None = None,
    **options: Any,
) -> nn.Module:
    """Create a network that predicts depth from one image.

    Args:
        name: supervised (a `SingleTask` of `LogDepth`) or monodepth (a `Monodepth`).
        pyramid: features of the image.
        classes: not used; all tasks' networks are created with it.
        near: smallest depth in metres.
        far: largest depth in metres.
        upsampler: name, with options, such as "carafe" or "carafe:kernel_size=3". Default:
            bilinear.
        options: options of the network.

    Raises:
        ValueError: if there is no such network, option or upsampler.
    """
    if name == "supervised":
        return build_network(name, SingleTask, (pyramid, LogDepth(near, far)), options, upsampler)
    if name == "monodepth":
        options = {"depths": (near, far)} | options
        return build_network(name, Monodepth, (pyramid,), options, upsampler)
    raise ValueError(f"model must be one of {', '.join(DEPTH_NETWORKS)}, got {name!r}")
