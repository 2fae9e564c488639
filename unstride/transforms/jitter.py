"""TODO."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample


def random_jitters(
    n: int,
    size: tuple[int, int],
    view_size: tuple[int, int],
    *,
    pad: float,
    zoom: tuple[float, float],
    generator: torch.Generator,
) -> Float[Tensor, "n 2 2"]:
    """Views that pad, zoom, crop and flip: for x and for y, where one begins and how far it goes.

    Both are in image pixels; the extent of a view that is flipped is negative. Half of the
    views are zoomed, half are flipped.

    Args:
        n: how many.
        size: rows and columns of the image.
        view_size: rows and columns of a view, and of the part that it shows if not zoomed.
        pad: how far a view may reach beyond the image's edges, in pixels.
        zoom: least and greatest magnification of those that are zoomed.
        generator: what decides.
    """
    zoomed, magnified, across, down, flipped = torch.rand(5, n, generator=generator)
    factor = torch.where(zoomed < 0.5, zoom[0] + (zoom[1] - zoom[0]) * magnified, torch.ones(n))
    axes = []
    for room, side, share in ((size[1], view_size[1], across), (size[0], view_size[0], down)):
        extent = side / factor
        spare = room + 2 * pad - extent
        start = torch.where(spare > 0, share, 0.5) * spare - pad  # centred if there is no room
        axes.append(torch.stack([start, extent], 1))
    left, extent = axes[0].unbind(1)
    mirrored = torch.stack([left + extent, -extent], 1)
    axes[0] = torch.where(flipped[:, None] < 0.5, mirrored, axes[0])
    return torch.stack(axes, 1)


def apply_jitters(
    views: Float[Tensor, "n 2 2"],
    maps: Float[Tensor, "1 c h w"],
    size: tuple[int, int],
    *,
    frame: tuple[int, int] | None = None,
    step: int = 1,
    corner: tuple[float, float] = (0.0, 0.0),
) -> Float[Tensor, "n c H W"]:
    """An image, or a map of its features, as its views show it: one coordinate map for both.

    Beyond its edges lies its mirror image. The mirrors stand at the edges of the outermost
    pixels, not at their centres, and so at the same place for every resolution.

    Args:
        views: of `random_jitters`.
        maps: what is looked at: every `step`-th pixel of the frame, from pixel `corner` on.
        size: rows and columns of the result.
        frame: rows and columns of the image, by default those of the map.
        step: between neighbours in the map, in image pixels.
        corner: the row and the column of the map's first pixel, or the middle of several.
    """
    (h, w), places = maps.shape[2:], []
    frame = (h, w) if frame is None else frame
    for axis, samples, edge, first in ((0, w, frame[1], corner[1]), (1, h, frame[0], corner[0])):
        outputs = size[1 - axis]
        steps = (torch.arange(outputs, device=maps.device) + 0.5) / outputs
        at = views[:, axis, :1] + views[:, axis, 1:] * steps
        at = edge - (edge - at.remainder(2 * edge)).abs()
        places.append(((at - first - 0.5) / step + 0.5) * (2 / samples) - 1)
    x, y = places
    grid = torch.stack(
        [x[:, None].expand(-1, size[0], -1), y[:, :, None].expand(-1, -1, size[1])], -1
    )
    # All views in one call, one below the other: the map is neither copied nor its gradient.
    seen = grid_sample(
        maps, grid.flatten(0, 1)[None].to(maps), "bilinear", "border", align_corners=False
    )
    return seen[0].unflatten(1, (len(views), size[0])).movedim(1, 0)
