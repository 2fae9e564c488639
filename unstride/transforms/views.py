"""Crops of photographs, and views of them: one coordinate map for an image and its features."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate
from torch.utils.data import Dataset

from unstride.formats.images import load_image


def random_view(
    n: int, zoom: tuple[float, float], generator: torch.Generator, *, pad: float = 0.0
) -> Float[Tensor, "n 4"]:
    """Left, top and side of a box in the picture, as shares of its sides, and 1 where flipped.

    Args:
        n: how many.
        zoom: least and greatest magnification.
        generator: of the random numbers.
        pad: how far a box may reach beyond the picture's edges, as a share of its sides.
    """
    factor = torch.empty(n).uniform_(*zoom, generator=generator)
    corner = torch.rand(n, 2, generator=generator) * (1 - 1 / factor + 2 * pad)[:, None] - pad
    flip = torch.randint(0, 2, (n,), generator=generator).float()
    return torch.stack([corner[:, 0], corner[:, 1], 1 / factor, flip], 1)


def through(
    view: Float[Tensor, "b 4"], image: Float[Tensor, "b c h w"], size: int | tuple[int, int]
) -> Float[Tensor, "b c H W"]:
    """An image, or a map of its features, as the view shows it: one coordinate map for both.

    What lies beyond an edge is mirrored at it, in the image and in the map alike.
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    left, top, side, flip = view.unbind(1)
    y, x = (
        (torch.arange(n, device=image.device, dtype=image.dtype) + 0.5) / n for n in (rows, columns)
    )
    x = torch.where(flip[:, None] > 0, x.flip(0), x) * side[:, None] + left[:, None]
    y = y * side[:, None] + top[:, None]
    grid = torch.stack([x[:, None].expand(-1, rows, -1), y[:, :, None].expand(-1, -1, columns)], -1)
    return grid_sample(image, 2 * grid - 1, "bilinear", "reflection", align_corners=False)


def jittered_views(
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


def seen_through(
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
        views: of `jittered_views`.
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


class Crops(Dataset):
    """Crops of photographs, each decided by the seed and its number alone.

    Args:
        paths: of the photographs.
        size: rows and columns of a crop in pixels, or the side of a square one; a photograph
            is first resized to between 1 and 1.25 times the least that holds it.
        length: how many crops there are; they go through the photographs round by round.
        seed: of the order and the crops.
    """

    def __init__(
        self, paths: Sequence[Path], size: int | tuple[int, int], *, length: int, seed: int
    ):
        self.size = (size, size) if isinstance(size, int) else size
        self.paths, self.length, self.seed = list(paths), length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Float[Tensor, "3 h w"]:
        turn, place = divmod(index, len(self.paths))
        order = torch.randperm(
            len(self.paths), generator=torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
        )
        image = load_image(self.paths[int(order[place])])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        across, down, larger = torch.rand(3, generator=generator).tolist()
        ratio = (1 + larger / 4) * max(
            n / m for n, m in zip(self.size, image.shape[2:], strict=True)
        )
        resized = [
            max(round(m * ratio), n) for n, m in zip(self.size, image.shape[2:], strict=True)
        ]
        image = interpolate(image, resized, mode="bilinear", antialias=True, align_corners=False)
        y, x = (
            int(t * (m - n + 1)) for t, n, m in zip((down, across), self.size, resized, strict=True)
        )
        return image[0, :, y : y + self.size[0], x : x + self.size[1]].clamp(0, 1)
