"""Builds upsamplers inside networks and calls them with the guide that fits.

Two guides can be available in a network: its features on the finer grid, and the image. An
upsampler with a parameter `guide_channels`, such as FADE, SAPA or JointBilateral, is built for
the finer features. One that is made for images alone, such as NAF, AnyUp or featup_jbu, gets
the image where there is one, and never features instead.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Upsampler

UpsamplerFactory = Callable[..., Upsampler]


def build_upsampler(
    factory: UpsamplerFactory, channels: int, scale: int = 2, *, guide_channels: int | None = None
) -> Upsampler:
    """Call a factory for one place in a network.

    Args:
        factory: called as `factory(channels, scale=scale)`; with `guide_channels=` too, if it
            has that parameter and does not bind it. For example
            `functools.partial(create_upsampler, "carafe")`, or a class of your own.
        channels: channels c of the features.
        scale: output pixels per input pixel.
        guide_channels: channels of the available guide. Default: there is none.

    Raises:
        ValueError: if the upsampler does not fit.
    """
    takes_guide = "guide_channels" in signature(factory).parameters
    is_bound = "guide_channels" in getattr(factory, "keywords", {})
    if guide_channels is None or not takes_guide or is_bound:
        return factory(channels, scale=scale)
    return factory(channels, scale=scale, guide_channels=guide_channels)


def upsample_guided(
    features: Float[Tensor, "b c h w"],
    upsampler: nn.Module,
    size: tuple[int, int],
    *,
    fine_features: Float[Tensor, "b d H W"] | None = None,
    image: Float[Tensor, "b 3 ih iw"] | None = None,
) -> Float[Tensor, "b c H W"]:
    """Upsample features with the first guide that has as many channels as the upsampler needs.

    Args:
        features: on the coarse grid.
        upsampler: an `Upsampler`.
        size: rows and columns of the result.
        fine_features: features on a finer grid, tried first as the guide.
        image: RGB in [0, 1], covering the same area, tried next.

    Raises:
        ValueError: if the upsampler needs a guide, and neither has that many channels.
    """
    guide = fitting_guide(upsampler, fine_features=fine_features, image=image)
    return upsampler(features, guide, size)


def fitting_guide(
    upsampler: nn.Module, *, fine_features: Tensor | None = None, image: Tensor | None = None
) -> Tensor | None:
    """The first guide that has as many channels as the upsampler needs; None if it needs none.

    Args:
        upsampler: an `Upsampler`.
        fine_features: features on a finer grid, tried first.
        image: RGB in [0, 1], tried next.

    Raises:
        ValueError: if the upsampler needs a guide, and neither has that many channels.
    """
    guide_channels: Any = upsampler.guide_channels
    if guide_channels is None:
        return None
    for guide in (fine_features, image):
        if guide is not None and guide.shape[1] == guide_channels:
            return guide
    available = [str(guide.shape[1]) for guide in (fine_features, image) if guide is not None]
    raise ValueError(
        f"upsampler {type(upsampler).__name__} needs a guide of {guide_channels} channels, "
        f"available: {' and '.join(available) or 'none'}"
    )
