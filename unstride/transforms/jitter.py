"""Random views of one image that pad, zoom, crop and flip, as FeatUp's implicit model uses them."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from unstride.transforms.sampling_grid import outer_grid


def random_jitters(
    count: int,
    image_size: tuple[int, int],
    view_size: tuple[int, int],
    *,
    pad: float,
    zoom: tuple[float, float],
    generator: torch.Generator,
) -> Float[Tensor, "n 2 2"]:
    """Draw views that pad, zoom, crop and flip. Rows: x, y. Columns: start, extent.

    Both are in image pixels. The extent of a flipped view is negative. Half of the views are
    zoomed, half are flipped.

    Args:
        count: number of views.
        image_size: rows and columns of the image.
        view_size: rows and columns of a view, and of the part that it shows if not zoomed.
        pad: how far a view may reach beyond the image's edges, in pixels.
        zoom: smallest and largest magnification of the zoomed views.
        generator: generator of the random numbers.
    """
    is_zoomed, magnified, across, down, is_flipped = torch.rand(5, count, generator=generator)
    factor = torch.where(
        is_zoomed < 0.5, zoom[0] + (zoom[1] - zoom[0]) * magnified, torch.ones(count)
    )
    (height, width), (view_height, view_width) = image_size, view_size
    axes = []
    for side, view_side, share in ((width, view_width, across), (height, view_height, down)):
        extent = view_side / factor
        spare = side + 2 * pad - extent
        start = torch.where(spare > 0, share, 0.5) * spare - pad  # centred if there is no room
        axes.append(torch.stack([start, extent], 1))
    left, extent = axes[0].unbind(1)
    flipped = torch.stack([left + extent, -extent], 1)
    axes[0] = torch.where(is_flipped[:, None] < 0.5, flipped, axes[0])
    return torch.stack(axes, 1)


def apply_jitters(
    jitters: Float[Tensor, "n 2 2"],
    maps: Float[Tensor, "1 c h w"],
    size: tuple[int, int],
    *,
    image_size: tuple[int, int] | None = None,
    stride: int = 1,
    origin: tuple[float, float] = (0.0, 0.0),
) -> Float[Tensor, "n c H W"]:
    """Sample an image, or a map of its features, through views: the same coordinates for both.

    Beyond the image's edges lies its mirror image. It is mirrored at the edges of the outermost
    pixels, not at their centres, and so at the same place for every resolution.

    Args:
        jitters: views of `random_jitters`.
        maps: the image or map: every `stride`-th pixel of the image, starting at pixel `origin`.
        size: rows and columns of the result.
        image_size: rows and columns of the image. Default: those of the map.
        stride: distance between neighbours in the map, in image pixels. Default: 1.
        origin: row and column of the map's first pixel, or the centre of several pixels. Default:
            (0, 0).
    """
    h, w = maps.shape[2:]
    height, width = (h, w) if image_size is None else image_size
    coordinates = []
    for axis, samples, edge, first in ((0, w, width, origin[1]), (1, h, height, origin[0])):
        outputs = size[1 - axis]
        shares = (torch.arange(outputs, device=maps.device) + 0.5) / outputs
        at = jitters[:, axis, :1] + jitters[:, axis, 1:] * shares
        at = edge - (edge - at.remainder(2 * edge)).abs()
        coordinates.append(((at - first - 0.5) / stride + 0.5) * (2 / samples) - 1)
    grid = outer_grid(*coordinates)
    # All views in one call, one below the other: neither the map nor its gradient is copied.
    sampled = grid_sample(
        maps, grid.flatten(0, 1)[None].to(maps), "bilinear", "border", align_corners=False
    )
    return sampled[0].unflatten(1, (len(jitters), size[0])).movedim(1, 0)
