"""Which cells of two views of an image show the same place.

Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual
Representation Learning" (PixPro), CVPR 2021, arXiv:2011.10043, section 3.1. Distances are divided
by the diagonal of a cell: the larger one of the two views. The released code takes cells that are
nearer than 0.7, the paper those at 0.7 too.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

THRESHOLD = 0.7


class Cells(NamedTuple):
    """Where the cells of a batch of views lie in their images.

    Attributes:
        centres: (x, y) of each cell, "b n 2", as shares of the image's width and height; NaN for a
            cell that shows something beyond the image.
        diagonal: diagonal of a cell in the same unit, "b".
    """

    centres: Float[Tensor, "b n 2"]
    diagonal: Float[Tensor, " b"]


def cells_of_maps(
    coordinates: Float[Tensor, "b 2 H W"], image_sizes: Float[Tensor, "b 2"], grid: tuple[int, int]
) -> Cells:
    """The cells of a grid over views whose pixels have coordinates.

    A cell lies at the mean of its pixels. Its diagonal is that of the parallelogram that a cell
    covers on average, with its sides taken for perpendicular: sqrt(|step right|^2 + |step down|^2).

    Args:
        coordinates: (x, y) of each pixel in its image, in pixels, as `CoordinateMap` has them.
        image_sizes: height and width of each image.
        grid: rows and columns of cells, at least one.
    """
    shares = coordinates / image_sizes.flip(1)[:, :, None, None]
    rows, columns = grid
    height, width = shares.shape[2:]
    right = (shares.diff(dim=3) * width / columns).nanmean((2, 3))
    down = (shares.diff(dim=2) * height / rows).nanmean((2, 3))
    diagonal = (right.square() + down.square()).sum(1).sqrt()
    return Cells(adaptive_avg_pool2d(shares, grid).flatten(2).mT, diagonal)


def matched_cells(
    one: Cells, other: Cells, threshold: float = THRESHOLD, *, strict: bool = True
) -> Bool[Tensor, "b n m"]:
    """Whether cell i of one view and cell j of the other show the same place.

    Args:
        one: cells of the first views.
        other: cells of the second views of the same images.
        threshold: largest distance, in diagonals of the view with the larger cells.
        strict: whether a distance of exactly the threshold is too much.
    """
    exact = "donot_use_mm_for_euclid_dist"  # the other way is off by more than some distances
    distance = torch.cdist(one.centres, other.centres, compute_mode=exact)
    relative = distance / torch.maximum(one.diagonal, other.diagonal)[:, None, None]
    return relative < threshold if strict else relative <= threshold


def cells_of_boxes(boxes: Float[Tensor, "b 4"], grid: tuple[int, int]) -> Cells:
    """The cells of a grid over axis-parallel views.

    Args:
        boxes: x0, y0, x1, y1 of each view, as shares of the image's sides. x0 > x1 for a view that
            is flipped horizontally, y0 > y1 for one that is flipped vertically.
        grid: rows and columns of cells, at least one.
    """
    rows, columns = grid
    corner, sides = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    y, x = (((torch.arange(n) + 0.5).to(boxes) / n) for n in grid)
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).flatten(0, 1)
    steps = sides / sides.new_tensor([columns, rows])
    return Cells(corner[:, None] + places * sides[:, None], steps.square().sum(1).sqrt())
