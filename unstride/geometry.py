"""The pinhole camera: from pixels to points, from points to pixels, from one camera to another.

Frames have x to the right, y down and z forward, in metres. The matrix K of the intrinsics is for
the coordinates of docs/conventions.md: pixel i covers [i, i + 1), so the centre of the first pixel
is (1/2, 1/2). Calibrations that put it at (0, 0), as those of OpenCV, ROS and KITTI do, become
ours by adding 1/2 to the principal point (`half_pixel_intrinsics`).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from unstride.precision import in_full_precision

MIN_DEPTH = 1e-3  # metres; points closer to the camera's plane, or behind it, are seen nowhere


def half_pixel_intrinsics(intrinsics: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """Intrinsics for which the first pixel's centre is (1/2, 1/2), of those for which it is 0."""
    shift = torch.zeros_like(intrinsics)
    shift[..., :2, 2] = 0.5
    return intrinsics + shift


def resized_intrinsics(
    intrinsics: Float[Tensor, "*b 3 3"], size: tuple[int, int], new_size: tuple[int, int]
) -> Float[Tensor, "*b 3 3"]:
    """The intrinsics of the same photograph at another size (rows, columns)."""
    ratio = [new_size[1] / size[1], new_size[0] / size[0], 1.0]
    return intrinsics * intrinsics.new_tensor(ratio)[:, None]


def pixel_centres(height: int, width: int, like: Tensor) -> Float[Tensor, "2 h w"]:
    """(x, y) of each pixel's centre, on the device and in the type of `like`."""
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)])


@in_full_precision
def unproject_depth(
    depth: Float[Tensor, "b h w"], intrinsics: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b 3 h w"]:
    """The point that each pixel's centre shows: depth times K^-1 (x, y, 1).

    Args:
        depth: metres along the optical axis; where it is 0 the point is the camera.
        intrinsics: for this size.
    """
    centres = pixel_centres(depth.shape[1], depth.shape[2], like=depth)
    rays = torch.cat([centres, torch.ones_like(centres[:1])])
    inverse = torch.linalg.inv(intrinsics)
    return torch.einsum("bij,jhw->bihw", inverse, rays) * depth[:, None]


@in_full_precision
def transform_points(
    points: Float[Tensor, "b 3 h w"], pose: Float[Tensor, "b 4 4"]
) -> Float[Tensor, "b 3 h w"]:
    """The points in another frame: R points + t."""
    turned = torch.einsum("bij,bjhw->bihw", pose[:, :3, :3], points)
    return turned + pose[:, :3, 3, None, None]


@in_full_precision
def project_points(
    points: Float[Tensor, "b 3 h w"], intrinsics: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b 2 h w"]:
    """(x, y) in pixels where points appear; NaN for those not before the camera."""
    homogeneous = torch.einsum("bij,bjhw->bihw", intrinsics, points)
    depth = homogeneous[:, 2:]
    before = depth > MIN_DEPTH
    places = homogeneous[:, :2] / torch.where(before, depth, 1.0)
    return torch.where(before, places, torch.nan)


def sample_image(
    image: Float[Tensor, "b c h w"], places: Float[Tensor, "b 2 H W"]
) -> Float[Tensor, "b c H W"]:
    """The image at places (x, y) in its pixels, bilinear; beyond its border, and at NaN, clamped.

    NaN is taken as the image's corner; ask `is_inside_image` what was seen.
    """
    size = places.new_tensor([image.shape[3], image.shape[2]])
    grid = places.nan_to_num(-1.0).movedim(1, -1) * (2 / size) - 1
    return grid_sample(image, grid, "bilinear", "border", align_corners=False)


def is_inside_image(places: Float[Tensor, "b 2 h w"], size: tuple[int, int]) -> Tensor:
    """Where places lie in an image of this size (rows, columns); "b h w", never at NaN."""
    x, y = places.unbind(1)
    return (x >= 0) & (x <= size[1]) & (y >= 0) & (y <= size[0])


@in_full_precision
def warp_image(
    source: Float[Tensor, "b c h w"],
    depth: Float[Tensor, "b H W"],
    pose: Float[Tensor, "b 4 4"],
    intrinsics: Float[Tensor, "b 3 3"],
) -> tuple[Float[Tensor, "b c H W"], Float[Tensor, "b 2 H W"]]:
    """The source as the target's camera would show it, and where in the source each pixel lies.

    Args:
        source: an image of one camera.
        depth: metres of each pixel of the target.
        pose: from the target's frame to the source's.
        intrinsics: of both, in pixels of their common size.
    """
    places = project_points(transform_points(unproject_depth(depth, intrinsics), pose), intrinsics)
    return sample_image(source, places), places


def relative_pose(
    target: Float[Tensor, "*b 4 4"], source: Float[Tensor, "*b 4 4"]
) -> Float[Tensor, "*b 4 4"]:
    """From the target's frame to the source's, of their poses in the world (camera to world)."""
    return torch.linalg.inv(source) @ target


@in_full_precision
def pose_matrix(
    rotation: Float[Tensor, "b 3"], translation: Float[Tensor, "b 3"]
) -> Float[Tensor, "b 4 4"]:
    """A pose from an axis times an angle in radians (exponential of its matrix) and a shift."""
    x, y, z = rotation.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).unflatten(1, (3, 3))
    top = torch.cat([torch.linalg.matrix_exp(cross), translation[:, :, None]], 2)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(top), 1, -1)
    return torch.cat([top, bottom], 1)
