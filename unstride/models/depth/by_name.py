"""Networks for depth by name, as configs say it."""

from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.depth.monodepth import Monodepth
from unstride.models.multitask.single_task import SingleTask
from unstride.models.multitask.task import LogDepth
from unstride.models.upsampler_options import build_named

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
    """A network for the depth of a photograph.

    Args:
        name: supervised, a `SingleTask` of `LogDepth`; or monodepth, a `Monodepth`.
        pyramid: features of the image.
        classes: none are needed.
        near: the least depth in metres.
        far: the greatest.
        upsampler: a word such as "carafe" or "carafe:kernel_size=3"; by default bilinear.
        options: of the network.

    Raises:
        ValueError: if there is no such network, option or upsampler.
    """
    if name == "supervised":
        return build_named(name, SingleTask, (pyramid, LogDepth(near, far)), options, upsampler)
    if name == "monodepth":
        return build_named(
            name, Monodepth, (pyramid,), {"depths": (near, far)} | options, upsampler
        )
    raise ValueError(f"model {name!r}: there are {', '.join(DEPTH_NETWORKS)}")
