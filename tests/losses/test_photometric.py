"""The photometric loss against loops, and what it says of true and of wrong depth and motion."""

import math

import pytest
import torch

from tests.datasets.layouts import shared_data
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.geometry import is_inside_image, pose_matrix, relative_pose, warp_image
from unstride.losses.photometric import (
    TIE_BREAK_NOISE,
    edge_aware_smoothness_loss,
    minimum_reprojection_loss,
    photometric_error,
    ssim,
)


def mirrored(i, n):
    return -i if i < 0 else 2 * (n - 1) - i if i >= n else i


def ssim_in_loops(a, b):
    h, w = a.shape
    out = torch.zeros(h, w, dtype=torch.float64)
    for y in range(h):
        for x in range(w):
            places = [
                (mirrored(y + i, h), mirrored(x + j, w)) for i in (-1, 0, 1) for j in (-1, 0, 1)
            ]
            p, q = (torch.stack([m[at] for at in places]) for m in (a, b))
            cov = ((p - p.mean()) * (q - q.mean())).mean()
            above = (2 * p.mean() * q.mean() + 1e-4) * (2 * cov + 9e-4)
            below = (p.mean() ** 2 + q.mean() ** 2 + 1e-4) * (
                p.var(correction=0) + q.var(correction=0) + 9e-4
            )
            out[y, x] = above / below
    return out


def test_ssim_is_that_of_the_3_by_3_boxes():
    a, b = torch.rand(2, 1, 2, 5, 6, dtype=torch.float64)
    expected = torch.stack([ssim_in_loops(p, q) for p, q in zip(a[0], b[0], strict=True)])
    torch.testing.assert_close(ssim(a, b)[0], expected)
    torch.testing.assert_close(ssim(a, a), torch.ones_like(a))


def test_the_error_mixes_structure_and_difference():
    a, b = torch.rand(2, 1, 3, 5, 6, dtype=torch.float64)
    structure = ((1 - ssim(a, b)) / 2).clamp(0, 1).mean(1)
    torch.testing.assert_close(
        photometric_error(a, b), 0.85 * structure + 0.15 * (a - b).abs().mean(1)
    )
    assert photometric_error(a, a).abs().max() < 1e-12
    white, black = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    expected = 0.85 * (1 - 1e-4 / (1 + 1e-4)) / 2 + 0.15
    assert photometric_error(white, black)[0, 1, 1].item() == pytest.approx(expected, rel=1e-4)


def test_the_gradients_are_right():
    a, b = torch.rand(2, 1, 2, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(photometric_error, (a.requires_grad_(), b.requires_grad_()))
    disparity = (torch.rand(1, 4, 4, dtype=torch.float64) + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda d: edge_aware_smoothness_loss(d, b.detach()), (disparity,)
    )


def test_each_pixel_counts_with_its_best_source():
    target = torch.rand(1, 3, 6, 8)
    left, right = target.clone(), target.clone()
    left[..., 4:], right[..., :4] = 0.5, 0.5
    both, mask = minimum_reprojection_loss(target, [left, right])
    alone, _ = minimum_reprojection_loss(target, [left])
    assert both < 0.3 * alone
    assert mask.all()
    errors = torch.stack([photometric_error(m, target) for m in (left, right)])
    torch.testing.assert_close(both, errors.amin(0).mean())


def test_what_stands_still_is_masked_and_gives_no_gradient():
    target = torch.rand(1, 3, 6, 8)
    still = target + 0.2 * torch.rand(1, 3, 6, 8)
    still[..., :4] = target[..., :4]  # the left half does not move before the camera
    warped = (target + 0.01).requires_grad_()
    loss, follows = minimum_reprojection_loss(target, [warped], [still])
    assert not follows[..., :3].any()
    assert follows[..., 5:].all()
    (gradient,) = torch.autograd.grad(loss, warped)
    assert (gradient[..., :2] == 0).all()
    assert (gradient[..., 6:] != 0).any()
    best = photometric_error(warped, target)
    unmoved = photometric_error(still, target)
    assert abs(loss - torch.minimum(best, unmoved).mean()) < 3 * TIE_BREAK_NOISE


def test_ties_are_broken_at_random_by_noise_alone():
    flat = torch.full((1, 3, 40, 40), 0.5)
    loss, follows = minimum_reprojection_loss(flat, [flat], [flat])
    assert 0.4 < follows.float().mean() < 0.6
    assert abs(loss) < TIE_BREAK_NOISE
    again = [
        minimum_reprojection_loss(flat, [flat], [flat], generator=torch.Generator().manual_seed(3))[
            1
        ]
        for _ in range(2)
    ]
    assert torch.equal(*again)


def test_smoothness_by_hand():
    image = torch.zeros(1, 3, 1, 3)
    image[0, :, 0, 2] = torch.tensor([0.9, 0.3, 0.0])  # an edge of 0.4 on average
    disparity = torch.tensor([[[1.0, 2.0, 6.0]]])
    with_rows = torch.cat([disparity, disparity], 1), torch.cat([image, image], 2)
    expected = (1 / 3 + 4 / 3 * math.exp(-0.4)) / 2
    assert edge_aware_smoothness_loss(*with_rows).item() == pytest.approx(expected)
    turned = (m.mT for m in with_rows)
    assert edge_aware_smoothness_loss(*turned).item() == pytest.approx(expected)


def test_smoothness_knows_no_unit_and_no_other_image():
    disparity, image = torch.rand(2, 5, 6) + 0.1, torch.rand(2, 3, 5, 6)
    whole = edge_aware_smoothness_loss(disparity, image)
    torch.testing.assert_close(edge_aware_smoothness_loss(disparity * 7, image), whole)
    scaled = disparity * torch.tensor([1.0, 9.0])[:, None, None]
    torch.testing.assert_close(edge_aware_smoothness_loss(scaled, image), whole)


def kitchen_errors(scene, target, source, change):
    """The mean error of the source, warped by what `change` makes of depth, pose and K."""
    (image, depth), (other, _) = scene[target], scene[source]
    pose = relative_pose(scene.poses[target], scene.poses[source])[None]
    known = (depth > 0)[None]
    given = change(depth[None].clamp(min=0.1), pose, scene.intrinsics[target][None])
    warped, places = warp_image(other[None], *given)
    seen = known & is_inside_image(places, image.shape[1:])
    return photometric_error(warped, image[None])[seen].mean().item()


def moved(axis, metres):
    shift = torch.zeros(1, 3)
    shift[0, axis] = metres
    return lambda depth, pose, k: (depth, pose_matrix(torch.zeros(1, 3), shift) @ pose, k)


def turned(axis, degrees):
    angle = torch.zeros(1, 3)
    angle[0, axis] = math.radians(degrees)
    return lambda depth, pose, k: (depth, pose_matrix(angle, torch.zeros(1, 3)) @ pose, k)


WRONG = {
    "nearer": lambda depth, pose, k: (depth * 0.85, pose, k),
    "farther": lambda depth, pose, k: (depth * 1.2, pose, k),
    "flat": lambda depth, pose, k: (torch.full_like(depth, depth.mean().item()), pose, k),
    "right": moved(0, 0.03),
    "left": moved(0, -0.03),
    "down": moved(1, 0.03),
    "up": moved(1, -0.03),
    "backward": moved(2, 0.12),
    "forward": moved(2, -0.12),
    "tilt": turned(0, 1.0),
    "pan": turned(1, -1.0),
    "roll": turned(2, 2.0),
    "no motion": lambda depth, pose, k: (depth, torch.eye(4)[None], k),
    "the motion back": lambda depth, pose, k: (depth, torch.linalg.inv(pose), k),
}


@pytest.mark.parametrize("scene", ["redkitchen", "shelf"])
def test_the_truth_explains_real_frames_better_than_anything_near_it(scene):
    frames = PosedRGBD(shared_data("depth") / scene, "all")
    pairs = [(i, i + 4) for i in range(0, min(len(frames) - 4, 220), 40)]
    true = [kitchen_errors(frames, *pair, lambda *given: given) for pair in pairs]
    report = {}
    for name, change in WRONG.items():
        wrong = [kitchen_errors(frames, *pair, change) for pair in pairs]
        report[name] = sum(wrong) / sum(true)
    print(report)
    assert min(report.values()) > 1.005, report
