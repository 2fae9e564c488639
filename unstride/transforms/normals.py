"""Computes surface normals from depth and intrinsics."""

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.geometry import unproject_depth


def normals_from_depth(
    depth: Float[Tensor, "b h w"],
    intrinsics: Float[Tensor, "b 3 3"],
    *,
    edge_threshold: float = 0.1,
    step: int = 1,
) -> Float[Tensor, "b 3 h w"]:
    """Compute unit normals that point to the camera; zero where unknown. Exact for planes.

    A normal is the cross product of the surface's tangents to the right and down. Each tangent
    leads from the neighbour on one side to the neighbour on the other; if only one is known, the
    pixel itself takes the place of the other. Without either, the normal is unknown.

    Args:
        depth: metres along the optical axis, 0 = unknown.
        intrinsics: intrinsics for this size.
        edge_threshold: a neighbour whose depth differs by more than this share lies on another
            surface. Default: 0.1.
        step: distance to the neighbours, in pixels. Farther ones are less sensitive to sensor
            noise. Default: 1.
    """
    points = unproject_depth(depth, intrinsics)
    surface = points, depth
    right, down = (
        _tangent(surface, dim, edge_threshold=edge_threshold, step=step) for dim in (3, 2)
    )
    normal = torch.linalg.cross(right, down, dim=1)
    length = normal.norm(dim=1, keepdim=True)
    towards = torch.where((normal * points).sum(1, keepdim=True) > 0, -normal, normal)
    return torch.where(length > 0, towards / length.where(length > 0, 1.0), 0.0)


def _tangent(
    surface: tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b h w"]],
    dim: int,
    *,
    edge_threshold: float,
    step: int,
) -> Float[Tensor, "b 3 h w"]:
    """Return the vector from the neighbour before to the one after; zero if both are unknown."""
    points, depth = surface
    size, ends = depth.shape[dim - 1], []
    for shift in (step, -step):
        neighbour, its_depth = points.roll(shift, dim), depth.roll(shift, dim - 1).clone()
        first = 0 if shift > 0 else max(size - step, 0)
        its_depth.narrow(dim - 1, first, min(step, size)).zero_()  # beyond the border
        is_near = (its_depth - depth).abs() <= edge_threshold * depth
        is_same_surface = (its_depth > 0) & (depth > 0) & is_near
        ends.append(torch.where(is_same_surface[:, None], neighbour, points))
    return ends[1] - ends[0]
