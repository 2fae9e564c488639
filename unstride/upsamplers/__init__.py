"""Upsamplers by name: the one place where a word of the command line becomes a class."""

from collections.abc import Callable
from inspect import signature

from unstride.upsamplers.anyup import AnyUp as AnyUp
from unstride.upsamplers.base import Cascade as Cascade
from unstride.upsamplers.base import Reassembly as Reassembly
from unstride.upsamplers.base import Upsampler as Upsampler
from unstride.upsamplers.base import frozen_predictions as frozen_predictions
from unstride.upsamplers.featup import FeatUpStack as FeatUpStack
from unstride.upsamplers.featup import featup_jbu as featup_jbu
from unstride.upsamplers.interpolation import Bicubic as Bicubic
from unstride.upsamplers.interpolation import Bilinear as Bilinear
from unstride.upsamplers.interpolation import Nearest as Nearest
from unstride.upsamplers.joint_bilateral import JointBilateral as JointBilateral
from unstride.upsamplers.naf import NAF as NAF

UPSAMPLERS: dict[str, Callable[..., Upsampler]] = {
    "nearest": Nearest,
    "bilinear": Bilinear,
    "bicubic": Bicubic,
    "joint_bilateral": JointBilateral,
    "featup_jbu": featup_jbu,
    "naf": NAF,
    "anyup": AnyUp,
}


def create_upsampler(
    name: str,
    channels: int,
    scale: int = 2,
    *,
    guide_channels: int | None = None,
    stages: int = 1,
    **options,
) -> Upsampler:
    """An upsampler by its name, called as `up(features, guide=None, size=None)`.

    Args:
        name: one of `list_upsamplers()`.
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, where no size is given.
        guide_channels: channels of the guide, for upsamplers that take one; by default 3, an
            image, or as many as the features where the method takes features of an encoder.
        stages: in how many steps, each of the same scale; the published operators of scale 2
            reach 16 in four.
        options: of that upsampler.

    Raises:
        ValueError: if there is no such upsampler, or the stages do not multiply to the scale.
    """
    if name not in UPSAMPLERS:
        raise ValueError(f"upsampler must be one of {', '.join(UPSAMPLERS)}, got {name!r}")
    make = UPSAMPLERS[name]
    if guide_channels is not None and "guide_channels" in signature(make).parameters:
        options["guide_channels"] = guide_channels
    if stages == 1:
        return make(channels, scale, **options)
    step = round(scale ** (1 / stages))
    if step**stages != scale:
        raise ValueError(f"scale must be a whole number to the power of stages={stages}: {scale}")
    return Cascade(*(make(channels, step, **options) for _ in range(stages)))


def list_upsamplers() -> list[str]:
    """The names that `create_upsampler` knows."""
    return list(UPSAMPLERS)
