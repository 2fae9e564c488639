"""Upsamplers by name: the one place where a word of the command line becomes a class."""

from collections.abc import Callable

from unstride.upsamplers.base import Reassembly as Reassembly
from unstride.upsamplers.base import Upsampler as Upsampler
from unstride.upsamplers.featup import FeatUpStack as FeatUpStack
from unstride.upsamplers.featup import featup_jbu as featup_jbu
from unstride.upsamplers.interpolation import Bicubic as Bicubic
from unstride.upsamplers.interpolation import Bilinear as Bilinear
from unstride.upsamplers.interpolation import Nearest as Nearest
from unstride.upsamplers.joint_bilateral import JointBilateral as JointBilateral

UPSAMPLERS: dict[str, Callable[..., Upsampler]] = {
    "nearest": Nearest,
    "bilinear": Bilinear,
    "bicubic": Bicubic,
    "joint_bilateral": JointBilateral,
    "featup_jbu": featup_jbu,
}


def create_upsampler(name: str, channels: int, scale: int = 2, **options) -> Upsampler:
    """An upsampler by its name, called as `up(features, guide=None, size=None)`.

    Args:
        name: one of `list_upsamplers()`.
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, where no size is given.
        options: of that upsampler.

    Raises:
        ValueError: if there is no such upsampler.
    """
    if name not in UPSAMPLERS:
        raise ValueError(f"upsampler must be one of {', '.join(UPSAMPLERS)}, got {name!r}")
    return UPSAMPLERS[name](channels, scale, **options)


def list_upsamplers() -> list[str]:
    """The names that `create_upsampler` knows."""
    return list(UPSAMPLERS)
