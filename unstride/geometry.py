"""The pinhole camera: projects points to pixels, unprojects depth, warps images between cameras.

Frames have x to the right, y down and z forward, in metres. The matrix K of the intrinsics is for
the coordinates of docs/conventions.md: pixel i covers [i, i + 1), so the centre of the first pixel
is (1/2, 1/2). Calibrations of OpenCV, ROS and KITTI put that centre at (0, 0). Adding 1/2 to the
principal point converts them to ours (`half_pixel_intrinsics`).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from unstride.precision import in_full_precision

MIN_DEPTH = 1e-3  # metres; points closer to the camera's plane, or behind it, are not projected


def half_pixel_intrinsics(intrinsics: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """Convert intrinsics with the first pixel's centre at (0, 0) to ones with it at (1/2, 1/2)."""
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
    """The 3D point at each pixel's centre: depth times K^-1 (x, y, 1).

    Args:
        depth: metres along the optical axis. Where it is 0, the point is the camera's centre.
        intrinsics: for images of this size.
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
    rotated = torch.einsum("bij,bjhw->bihw", pose[:, :3, :3], points)
    return rotated + pose[:, :3, 3, None, None]


@in_full_precision
def project_points(
    points: Float[Tensor, "b 3 h w"], intrinsics: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b 2 h w"]:
    """(x, y) of points in pixels; NaN for points that are not in front of the camera."""
    homogeneous = torch.einsum("bij,bjhw->bihw", intrinsics, points)
    depth = homogeneous[:, 2:]
    is_in_front = depth > MIN_DEPTH
    coordinates = homogeneous[:, :2] / torch.where(is_in_front, depth, 1.0)
    return torch.where(is_in_front, coordinates, torch.nan)


def sample_image(
    image: Float[Tensor, "b c h w"], coordinates: Float[Tensor, "b 2 H W"]
) -> Float[Tensor, "b c H W"]:
    """Sample an image at coordinates (x, y) in its pixels, bilinearly.

    Coordinates beyond the border are clamped to it. NaN is sampled at the image's corner; use
    `is_inside_image` to tell which samples are valid.
    """
    size = coordinates.new_tensor([image.shape[3], image.shape[2]])
    grid = coordinates.nan_to_num(-1.0).movedim(1, -1) * (2 / size) - 1
    return grid_sample(image, grid, "bilinear", "border", align_corners=False)


def is_inside_image(coordinates: Float[Tensor, "b 2 h w"], size: tuple[int, int]) -> Tensor:
    """Whether coordinates (x, y) lie in an image of this size (rows, columns), as "b h w".

    False where a coordinate is NaN.
    """
    x, y = coordinates.unbind(1)
    return (x >= 0) & (x <= size[1]) & (y >= 0) & (y <= size[0])


@in_full_precision
def warp_image(
    source: Float[Tensor, "b c h w"],
    depth: Float[Tensor, "b H W"],
    target_to_source: Float[Tensor, "b 4 4"],
    intrinsics: Float[Tensor, "b 3 3"],
) -> tuple[Float[Tensor, "b c H W"], Float[Tensor, "b 2 H W"]]:
    """Warp a source image to the view of the target camera.

    Args:
        source: an image of the source camera.
        depth: metres, of each pixel of the target.
        target_to_source: pose from the target's frame to the source's.
        intrinsics: of both cameras, in pixels of their common size.

    Returns:
        The warped image, and the coordinates (x, y) in the source of each pixel of the target.
    """
    points = transform_points(unproject_depth(depth, intrinsics), target_to_source)
    coordinates = project_points(points, intrinsics)
    return sample_image(source, coordinates), coordinates


def relative_pose(
    target_pose: Float[Tensor, "*b 4 4"], source_pose: Float[Tensor, "*b 4 4"]
) -> Float[Tensor, "*b 4 4"]:
    """The pose from the target's frame to the source's, given both poses from camera to world."""
    return torch.linalg.inv(source_pose) @ target_pose


@in_full_precision
def pose_matrix(
    axis_angle: Float[Tensor, "b 3"], translation: Float[Tensor, "b 3"]
) -> Float[Tensor, "b 4 4"]:
    """The matrix of a pose: the rotation is the matrix exponential of the axis-angle vector.

    Args:
        axis_angle: rotation axis times the angle in radians.
        translation: in metres.
    """
    x, y, z = axis_angle.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).unflatten(1, (3, 3))
    top = torch.cat([torch.linalg.matrix_exp(cross), translation[:, :, None]], 2)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(top), 1, -1)
    return torch.cat([top, bottom], 1)
