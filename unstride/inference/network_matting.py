"""Runs a matting network on images of any size: large ones in overlapping tiles, blended."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from unstride.models.matting.matting_network import MattingNetwork

TILE, OVERLAP = 1024, 256  # pixels


def network_alpha(
    network: MattingNetwork,
    image: Float[Tensor, "1 3 h w"],
    trimap: UInt8[Tensor, "h w"],
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
) -> Float[Tensor, "h w"]:
    """Predict alpha. Where tiles overlap, their weights rise linearly from the edge of each.

    The network averages over what it sees, so tiles differ a little from the whole; blending leaves
    no seam.

    Args:
        network: the network.
        image: RGB in [0, 1].
        trimap: 0, 128 and 255.
        tile: longest side that is computed at once, in pixels.
        overlap: of neighbouring tiles.
    """
    h, w = trimap.shape
    total, weights = torch.zeros(h, w), torch.zeros(h, w)
    for top, bottom in spans(h, tile, overlap):
        for left, right in spans(w, tile, overlap):
            part = trimap[None, None, top:bottom, left:right]
            alpha = network(image[:, :, top:bottom, left:right], part.to(image.device))[0, 0].cpu()
            weight = ramp(bottom - top, overlap)[:, None] * ramp(right - left, overlap)
            total[top:bottom, left:right] += weight * alpha
            weights[top:bottom, left:right] += weight
    return total / weights


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """First and last-plus-one pixel of each tile along an axis.

    Args:
        length: of the axis.
        tile: longest tile.
        overlap: least overlap of neighbours.
    """
    if length <= tile:
        return [(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(i * (length - tile) / (count - 1)) for i in range(count)]
    return [(start, start + tile) for start in starts]


def ramp(length: int, overlap: int) -> Float[Tensor, " n"]:
    """Weights that rise from the edge to 1 over the overlap."""
    distance = torch.minimum(torch.arange(length), torch.arange(length).flip(0)) + 1
    return (distance / overlap).clamp(max=1)
