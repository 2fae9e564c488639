"""The directions that surfaces face, from depth and intrinsics."""

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.geometry import unproject_depth


def normals_from_depth(
    depth: Float[Tensor, "b h w"],
    intrinsics: Float[Tensor, "b 3 3"],
    *,
    jump: float = 0.1,
    reach: int = 1,
) -> Float[Tensor, "b 3 h w"]:
    """Unit normals of the surface, towards the camera; zero where unknown. Exact for planes.

    The cross product of the surface's steps to the right and down, each between the neighbours on
    both sides, or from the pixel itself to the one that is known. Unknown without a neighbour.

    Args:
        depth: metres along the optical axis, 0 = unknown.
        intrinsics: for this size.
        jump: a neighbour whose depth differs by more than this share lies on another surface.
        reach: pixels to the neighbours; what a sensor errs matters less the further they are.
    """
    points = unproject_depth(depth, intrinsics)
    surface = points, depth
    right, down = (_tangent(surface, dim, jump=jump, reach=reach) for dim in (3, 2))
    normal = torch.linalg.cross(right, down, dim=1)
    length = normal.norm(dim=1, keepdim=True)
    towards = torch.where((normal * points).sum(1, keepdim=True) > 0, -normal, normal)
    return torch.where(length > 0, towards / length.where(length > 0, 1.0), 0.0)


def _tangent(
    surface: tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b h w"]],
    dim: int,
    *,
    jump: float,
    reach: int,
) -> Float[Tensor, "b 3 h w"]:
    """From the neighbour before to the neighbour after; zero if neither is of this surface."""
    points, depth = surface
    size, ends = depth.shape[dim - 1], []
    for shift in (reach, -reach):
        beside, there = points.roll(shift, dim), depth.roll(shift, dim - 1).clone()
        first = 0 if shift > 0 else max(size - reach, 0)
        there.narrow(dim - 1, first, min(reach, size)).zero_()  # beyond the border
        same = (there > 0) & (depth > 0) & ((there - depth).abs() <= jump * depth)
        ends.append(torch.where(same[:, None], beside, points))
    return ends[1] - ends[0]
