"""Normals from depth: exact for planes, unknown where nothing is, and never across an edge."""

import pytest
import torch

from unstride.transforms.normals import normals_from_depth

K = torch.tensor([[20.0, 0, 6.5], [0, 18.0, 4.0], [0, 0, 1]])[None]
H, W = 8, 13


def plane_depth(normal, distance):
    rays = torch.linalg.inv(K[0]) @ torch.stack([
        (torch.arange(W) + 0.5).expand(H, -1).flatten(),
        (torch.arange(H) + 0.5)[:, None].expand(-1, W).flatten(), torch.ones(H * W),
    ])  # fmt: skip
    return (-distance / (normal @ rays)).view(1, H, W)


@pytest.mark.parametrize("direction", [(0, 0, -1), (0.4, 0, -1), (0, -0.5, -1), (-0.3, 0.6, -1)])
def test_every_pixel_of_a_plane_knows_its_normal(direction):
    normal = torch.nn.functional.normalize(torch.tensor(direction, dtype=torch.float), dim=0)
    found = normals_from_depth(plane_depth(normal, 2.0), K, edge_threshold=1.0)
    torch.testing.assert_close(found, normal.view(1, 3, 1, 1).expand_as(found), atol=2e-5, rtol=0)


@pytest.mark.parametrize("step", [2, 3, 21])
def test_a_longer_step_finds_the_same_plane_and_wraps_around_no_border(step):
    depth = plane_depth(torch.tensor([0.3, 0.2, -1.0]), 2.0)
    near, far = (normals_from_depth(depth, K, edge_threshold=1.0, step=n) for n in (1, step))
    known = (far != 0).any(1)
    assert known.sum() == (H * W if step < 4 else 0)
    torch.testing.assert_close(far[:, :, known[0]], near[:, :, known[0]], atol=2e-5, rtol=0)


def test_a_longer_step_is_less_disturbed():
    depth = plane_depth(torch.tensor([0.0, 0.0, -1.0]), 2.0) + 0.02 * torch.rand(1, H, W)
    tilts = [1 + normals_from_depth(depth, K, step=n)[:, 2].mean() for n in (1, 3)]
    assert tilts[1] < 0.5 * tilts[0]


def test_a_sphere_faces_outwards_from_its_centre():
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    intrinsics = torch.tensor([[200.0, 0, 32], [0, 200, 32], [0, 0, 1]])[None]
    rays = torch.stack([(x - 32) / 200, (y - 32) / 200, torch.ones(64, 64)])
    centre, radius = torch.tensor([0.0, 0, 5]), 2.0
    a, b = rays.square().sum(0), (rays * centre[:, None, None]).sum(0)
    depth = (b - (b * b - a * (centre.square().sum() - radius**2)).sqrt()) / a
    expected = (rays * depth - centre[:, None, None]) / radius
    found = normals_from_depth(depth[None], intrinsics)[0, :, 1:-1, 1:-1]
    torch.testing.assert_close(found, expected[:, 1:-1, 1:-1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("edge_threshold", [0.1, 1.0])
def test_holes_are_unknown_and_spoil_nothing_beside_them(edge_threshold):
    depth = torch.full((1, H, W), 2.0)
    depth[0, 3, 5] = 0
    found = normals_from_depth(depth, K, edge_threshold=edge_threshold)
    facing = torch.tensor([0.0, 0, -1])
    assert (found[0, :, 3, 5] == 0).all()
    for y, x in ((3, 4), (3, 6), (2, 5), (4, 5), (0, 0)):
        torch.testing.assert_close(found[0, :, y, x], facing)


def test_two_walls_do_not_make_a_ramp_between_them():
    depth = torch.full((1, H, W), 2.0)
    depth[:, :, 6:] = 3.0
    found = normals_from_depth(depth, K)
    torch.testing.assert_close(found[:, 2], torch.full((1, H, W), -1.0))
    blurred = normals_from_depth(depth, K, edge_threshold=1.0)
    assert (blurred[0, 0, :, 5] != 0).all()


def test_a_pixel_without_a_neighbour_is_unknown():
    depth = torch.zeros(1, H, W)
    depth[0, 2, 2] = 1.0
    depth[0, 5, 5:7] = 1.0  # a step to the right, none down
    assert (normals_from_depth(depth, K) == 0).all()


def test_nothing_wraps_around_the_border():
    depth = torch.zeros(1, H, W)
    depth[0, :, 0] = depth[0, :, -1] = 1.0  # columns that a roll would make neighbours
    assert (normals_from_depth(depth, K) == 0).all()
    depth[0, :, :3] = depth[0, :, -3:] = 1.0
    assert (normals_from_depth(depth, K, step=3) == 0).all()


def test_the_gradient_is_finite_everywhere():
    depth = torch.rand(1, H, W) + 1
    depth[0, 2:5, 3] = 0
    depth.requires_grad_()
    normals_from_depth(depth, K, edge_threshold=1.0).square()[:, 0].sum().backward()
    assert depth.grad.isfinite().all()
    assert depth.grad.abs().sum() > 0
