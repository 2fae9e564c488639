"""Trimaps: known background, unknown, known foreground; from alpha mattes and from rough masks."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import max_pool2d

from unstride.formats.trimap import BACKGROUND, FOREGROUND, UNKNOWN

HARDLY = 1e-3  # alpha this near 0 or 1 is that, as after resizing

Trimap = UInt8[Tensor, "h w"]


def trimap_of(is_foreground: Bool[Tensor, "h w"], is_background: Bool[Tensor, "h w"]) -> Trimap:
    """The trimap of what is known; all else is unknown."""
    trimap = torch.full(is_foreground.shape, UNKNOWN, dtype=torch.uint8)
    trimap[is_foreground] = FOREGROUND
    trimap[is_background] = BACKGROUND
    return trimap


def trimap_from_alpha(alpha: Float[Tensor, "h w"], inner: int, outer: int) -> Trimap:
    """The trimap of a true matte: what is fractional is unknown, and some pixels around it.

    Args:
        alpha: in [0, 1].
        inner: pixels that the unknown region reaches into the foreground.
        outer: pixels that it reaches into the background.
    """
    is_foreground, is_background = alpha >= 1 - HARDLY, alpha <= HARDLY
    return trimap_of(eroded(is_foreground, inner), eroded(is_background, outer))


def trimap_from_mask(
    is_object: Bool[Tensor, "h w"], inner: int, outer: int | None = None
) -> Trimap:
    """The trimap of a rough mask: near its border, on both sides, nothing is known.

    Args:
        is_object: the rough mask, or a filled box.
        inner: pixels of the object along its border that are unknown.
        outer: pixels of the background along it. Default: as many.
    """
    outer = inner if outer is None else outer
    return trimap_of(eroded(is_object, inner), eroded(~is_object, outer))


def eroded(region: Bool[Tensor, "h w"], radius: int) -> Bool[Tensor, "h w"]:
    """The pixels whose disk lies in the region; beyond the image counts as inside.

    Args:
        region: the region.
        radius: of the disk, in pixels; 0 leaves the region as it is.
    """
    outside = ~region
    grown = outside.clone()
    h = region.shape[0]
    for down in range(min(radius, h - 1) + 1):
        reach = int((radius**2 - down**2) ** 0.5)
        row = max_pool2d(outside[None].float(), (1, 2 * reach + 1), 1, (0, reach))[0] > 0
        grown[down:] |= row[: h - down]
        grown[: h - down] |= row[down:]
    return ~grown


def with_known_pixels(alpha: Float[Tensor, "..."], trimap: UInt8[Tensor, "..."]) -> Tensor:
    """Alpha in which known pixels are exactly 0 and 1."""
    alpha = alpha.masked_fill(trimap == FOREGROUND, 1.0)
    return alpha.masked_fill(trimap == BACKGROUND, 0.0)
