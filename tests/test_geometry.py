"""The camera against points worked out by hand, and laws of moving it."""

import math

import pytest
import torch

from unstride.geometry import (
    is_inside_image,
    pixel_centres,
    pose_matrix,
    project_points,
    relative_pose,
    resized_intrinsics,
    sample_image,
    transform_points,
    unproject_depth,
    warp_image,
)

H, W = 6, 10
K = torch.tensor([[8.0, 0, 5], [0, 4, 3], [0, 0, 1]], dtype=torch.float64)[None]


def random_poses(n):
    axis_angle, translation = torch.randn(2, n, 3, dtype=torch.float64)
    return pose_matrix(axis_angle, translation)


def test_a_pixel_back_projects_through_its_centre():
    depth = torch.full((1, H, W), 2.0, dtype=torch.float64)
    points = unproject_depth(depth, K)
    assert points[0, :, 0, 0].tolist() == [2 * (0.5 - 5) / 8, 2 * (0.5 - 3) / 4, 2]
    torch.testing.assert_close(project_points(points, K)[0], pixel_centres(H, W, like=points))


def test_points_behind_the_camera_are_seen_nowhere():
    points = torch.tensor([[0.0, 1, 0], [0, 0, 0], [1, -1, 0]], dtype=torch.float64)
    coordinates = project_points(points.view(1, 3, 1, 3), K)
    assert coordinates[0, :, 0, 0].tolist() == [5, 3]
    assert coordinates[0, :, 0, 1:].isnan().all()
    assert is_inside_image(coordinates, (H, W)).flatten().tolist() == [True, False, False]


def test_inside_ends_at_the_outer_edges_of_the_outermost_pixels():
    x, y = torch.meshgrid(
        torch.tensor([-0.1, 0.0, W, W + 0.1]), torch.tensor([-0.1, 0.0, H, H + 0.1]), indexing="xy"
    )
    is_inside = is_inside_image(torch.stack([x, y])[None], (H, W))[0]
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[1:3, 1:3] = True
    assert torch.equal(is_inside, expected)


def test_a_quarter_turn_about_each_axis():
    angle = torch.eye(3, dtype=torch.float64) * math.pi / 2
    rotations = pose_matrix(angle, torch.zeros(3, 3, dtype=torch.float64))[:, :3, :3]
    point = torch.tensor([1.0, 2, 3], dtype=torch.float64)
    expected = torch.tensor([[1.0, -3, 2], [3, 2, -1], [-2, 1, 3]], dtype=torch.float64)
    torch.testing.assert_close(rotations @ point, expected)


def test_poses_are_rigid_and_differentiable_at_rest():
    poses = random_poses(5)
    rotations = poses[:, :3, :3]
    torch.testing.assert_close(
        rotations @ rotations.mT, torch.eye(3, dtype=torch.float64).expand(5, 3, 3)
    )
    assert (torch.linalg.det(rotations) > 0.99).all()
    still = torch.zeros(2, 1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(pose_matrix(*still)[0], torch.eye(4, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda m: pose_matrix(*m), (still,))


def test_a_relative_pose_takes_points_from_one_camera_to_the_other():
    target, source = random_poses(2)
    points = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    world = transform_points(points, target[None])
    through_source = transform_points(
        transform_points(points, relative_pose(target, source)[None]), source[None]
    )
    torch.testing.assert_close(through_source, world)


def test_sampling_at_the_centres_returns_the_image():
    image = torch.rand(2, 3, H, W, dtype=torch.float64)
    coordinates = pixel_centres(H, W, like=image).expand(2, -1, -1, -1)
    torch.testing.assert_close(sample_image(image, coordinates), image)
    ramp = pixel_centres(H, W, like=image)[None]
    between = ramp[:, :, 1:-1, 1:-1] + 0.3
    torch.testing.assert_close(sample_image(ramp, between), between)
    far = torch.tensor([[50.0, -50, torch.nan], [2.5, 2.5, 2.5]], dtype=torch.float64)
    sampled = sample_image(ramp, far.view(1, 2, 1, 3))
    assert sampled[0, 0, 0].tolist() == [W - 0.5, 0.5, 0.5]


def test_a_step_to_the_side_shifts_a_wall_by_focal_length_times_step_over_depth():
    source = torch.rand(1, 3, H, W, dtype=torch.float64)
    depth = torch.full((1, H, W), 4.0, dtype=torch.float64)
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[0, 0, 3] = 1.0  # 8 * 1 / 4 = 2 pixels to the right in the source
    warped, coordinates = warp_image(source, depth, pose, K)
    torch.testing.assert_close(warped[..., :-2], source[..., 2:])
    assert is_inside_image(coordinates, (H, W))[0, 0].tolist() == [True] * 8 + [False] * 2


@pytest.mark.parametrize("size", [(12, 20), (3, 5), (7, 4)])
def test_resized_intrinsics_show_the_same_point_at_the_same_share_of_the_image(size):
    points = torch.rand(1, 3, 4, 4, dtype=torch.float64) + torch.tensor([0, 0, 1.0]).view(
        1, 3, 1, 1
    )
    before = project_points(points, K) / torch.tensor([W, H]).view(1, 2, 1, 1)
    after = project_points(points, resized_intrinsics(K, (H, W), size))
    torch.testing.assert_close(after / torch.tensor(size[::-1]).view(1, 2, 1, 1), before)


def test_gradients_reach_depth_and_motion_and_are_right():
    source = torch.rand(1, 1, H, W, dtype=torch.float64)
    depth = (3 + torch.rand(1, H, W, dtype=torch.float64)).requires_grad_()
    motion = (0.02 * torch.randn(2, 1, 3, dtype=torch.float64)).requires_grad_()

    def source_coordinates(depth, motion):
        return warp_image(source, depth, pose_matrix(*motion), K)[1]

    assert torch.autograd.gradcheck(source_coordinates, (depth, motion))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_coordinates_are_not_rounded_to_half_types(half):
    source = torch.rand(1, 3, 20, 300)
    depth, rest = torch.full((1, 20, 300), 2.0), torch.eye(4)[None]
    intrinsics = torch.tensor([[[250.0, 0, 150], [0, 250, 10], [0, 0, 1]]])
    with torch.autocast("cpu", half):
        warped, coordinates = warp_image(source, depth, rest, intrinsics)
        matrix = pose_matrix(torch.full((1, 3), 0.1).to(half), torch.zeros(1, 3).to(half))
    torch.testing.assert_close(warped, source, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        coordinates, pixel_centres(20, 300, like=depth)[None], atol=1e-3, rtol=0
    )
    exact = pose_matrix(torch.full((1, 3), 0.1).to(half).float(), torch.zeros(1, 3))
    torch.testing.assert_close(matrix, exact)


def test_no_gradient_is_nan_behind_the_camera():
    source = torch.rand(1, 1, H, W)
    depth = torch.ones(1, H, W, requires_grad=True)
    pose = torch.eye(4)[None].clone()
    pose[0, 2, 3] = -1.0  # every point lies in the source's plane
    warp_image(source, depth, pose, K.float())[0].sum().backward()
    assert depth.grad.isfinite().all()
