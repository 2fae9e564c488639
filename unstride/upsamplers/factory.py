"""An upsampler inside a network: made for the guide at hand there, and given it.

Two guides can be at hand: features of the network on the finer grid, and the image. Whoever
has a parameter `guide_channels` is made for the finer features, such as FADE, SAPA or
JointBilateral; whoever is made for an image alone, such as NAF, AnyUp or featup_jbu, gets the
image where there is one, and is never fed features in its stead.
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
    """What the factory makes for this place.

    Args:
        factory: called as `factory(channels, scale=scale)`, with `guide_channels=` too if it has
            that parameter and it is not bound; `functools.partial(create_upsampler, "carafe")`
            for instance, or a class of one's own.
        channels: channels c of the features.
        scale: output pixels per input pixel.
        guide_channels: of the guide at hand; None if there is none.

    Raises:
        ValueError: if the upsampler does not fit.
    """
    takes = "guide_channels" in signature(factory).parameters
    if guide_channels is None or not takes or "guide_channels" in getattr(factory, "keywords", {}):
        return factory(channels, scale=scale)
    return factory(channels, scale=scale, guide_channels=guide_channels)


def upsample_guided(
    features: Float[Tensor, "b c h w"],
    up: nn.Module,
    size: tuple[int, int],
    *,
    finer: Float[Tensor, "b d H W"] | None = None,
    image: Float[Tensor, "b 3 ih iw"] | None = None,
) -> Float[Tensor, "b c H W"]:
    """The features at `size`, guided by whichever of the two has as many channels as `up` needs.

    Args:
        features: on the coarse grid.
        up: an `Upsampler`.
        size: rows and columns of the result.
        finer: features on a finer grid.
        image: RGB in [0, 1], covering the same area.

    Raises:
        ValueError: if it needs a guide and neither has that many channels.
    """
    needed: Any = up.guide_channels
    if needed is None:
        return up(features, None, size)
    for guide in (finer, image):
        if guide is not None and guide.shape[1] == needed:
            return up(features, guide, size)
    at_hand = [str(guide.shape[1]) for guide in (finer, image) if guide is not None]
    raise ValueError(
        f"upsampler {type(up).__name__} needs a guide of {needed} channels, "
        f"at hand: {' and '.join(at_hand) or 'none'}"
    )
