"""Depth from video: the loss at the truth, its gradients, and that it teaches depth."""

from functools import partial

import pytest
import torch

from unstride.backbones.pyramid import create_pyramid
from unstride.geometry import pose_matrix, warp_image
from unstride.losses.photometric import edge_aware_smoothness_loss
from unstride.metrics import depth_errors
from unstride.models.depth.monodepth import Monodepth
from unstride.models.depth.pose_network import PoseNetwork
from unstride.upsamplers.by_name import create_upsampler

H, W = 40, 64
K = torch.tensor([[50.0, 0, 32], [0, 50, 20], [0, 0, 1]])


def network(upsampler="bilinear", **options):
    pyramid = create_pyramid("resnet18", (2, 4, 8, 16), pretrained=False)
    return Monodepth(pyramid, partial(create_upsampler, upsampler), width=8, **options)


def steps():
    """One to the left and one to the right, 0.2 m each."""
    shift = torch.tensor([[0.2, 0, 0], [-0.2, 0, 0]])
    return pose_matrix(torch.zeros(2, 3), shift)


def scene(depth):
    """Three frames of a world with texture, whose middle one has this depth."""
    y, x = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    places = [(x - K[0, 2] - K[0, 0] * s / depth, y) for s in (0.0, 0.2, -0.2)]
    waves = [
        torch.stack([(0.5 * u + 0.3 * v).sin(), (0.3 * u - 0.4 * v).sin(), (0.11 * u * 3).cos()])
        for u, v in places
    ]
    frames = 0.5 + 0.4 * torch.stack(waves)
    sample = {"image": frames[0], "sources": frames[1:], "intrinsics": K, "poses": steps()}
    return {key: value[None] for key, value in sample.items()}


def test_depth_lies_between_its_limits_and_grows_as_disparity_shrinks():
    model = network(depths=(0.5, 20.0))
    depth = model.disparity_to_depth(torch.tensor([[[0.0, 0.5, 1.0]]]))
    torch.testing.assert_close(depth, torch.tensor([[[20.0, 1 / 1.025, 0.5]]]))
    predicted = model(torch.rand(2, 3, 33, 47))
    assert predicted.shape == (2, 33, 47)
    assert ((predicted > 0.5) & (predicted < 20)).all()
    with pytest.raises(ValueError, match="0 < nearest < farthest"):
        network(depths=(1.0, 1.0))


def test_there_are_four_disparities():
    maps = network().disparities(torch.rand(1, 3, 33, 47), (1, 2, 4, 8))
    assert {n: tuple(m.shape) for n, m in maps.items()} == {
        1: (1, 64, 64), 2: (1, 32, 32), 4: (1, 16, 16), 8: (1, 8, 8),
    }  # fmt: skip
    assert network().decoder.strides == (1, 2, 4, 8)


@pytest.mark.parametrize("upsampler", ["bilinear", "carafe", "dysample", "fade"])
def test_every_parameter_learns(upsampler):
    model = network(upsampler)
    model.loss(scene(torch.tensor(2.0)))["loss"].backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []
    assert sum(p.grad.abs().sum() for p in model.pose.parameters()) > 0


class FixedDisparity(Monodepth):
    """Predicts the disparity that it is given."""

    def disparities(self, image, strides):
        return {n: self.disparity[:, ::n, ::n] for n in strides}


def fixed_depth(depth):
    pyramid = create_pyramid("resnet18", (2, 4, 8), pretrained=False)
    model = FixedDisparity(pyramid, width=8, depths=(0.5, 20))
    height, width = model.pyramid.padded_size((H, W))
    disparity = (1 / depth - 1 / 20) / (1 / 0.5 - 1 / 20)
    model.disparity = torch.full((1, height, width), float(disparity))
    return model


def test_the_loss_is_least_at_the_true_depth_and_motion():
    sample = scene(torch.tensor(2.0))
    true = fixed_depth(2.0).loss(sample, known_motion=True)
    assert true["smoothness"] == 0
    torch.testing.assert_close(true["loss"], true["photometric"])
    for depth in (1.0, 1.6, 2.5, 4.0):
        assert fixed_depth(depth).loss(sample, known_motion=True)["loss"] > 2 * true["loss"]
    backwards = sample | {"poses": sample["poses"].flip(1)}
    assert fixed_depth(2.0).loss(backwards, known_motion=True)["loss"] > 2 * true["loss"]


def test_the_scene_of_these_tests_is_what_it_claims():
    sample = scene(torch.tensor(2.0))
    depth = torch.full((2, H, W), 2.0)
    warped = warp_image(sample["sources"][0], depth, steps(), K.expand(2, 3, 3))[0]
    error = (warped - sample["image"]).abs()[..., 6:-6]
    assert error.max() < 0.03
    assert (sample["sources"][0] - sample["image"]).abs().mean() > 0.2


def test_half_types_inside_leave_depth_and_motion_whole():
    torch.manual_seed(0)
    model, sample = network(), scene(torch.full((H, W), 2.0))
    with torch.autocast("cpu", torch.bfloat16):
        depth = model(sample["image"])
        poses = model.source_poses(sample["image"], sample["sources"])
        loss = model.loss(sample)["loss"]
    loss.backward()
    assert depth.dtype == poses.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in model.parameters())
    torch.testing.assert_close(poses[:, :, 3].detach(), torch.eye(4)[3].expand(1, 2, 4))


def test_smoothness_counts_less_at_coarser_scales():
    model = fixed_depth(2.0)
    model.disparity = torch.rand_like(model.disparity)
    image = torch.full((1, 3, H, W), 0.5)
    sample = scene(torch.tensor(2.0)) | {"image": image}
    flat = torch.full((1, 1, *model.disparity.shape[1:]), 0.5)
    maps = model.disparities(image, (1, 2, 4, 8))
    parts = [edge_aware_smoothness_loss(m, flat[..., ::n, ::n]) * 1e-3 / n for n, m in maps.items()]
    torch.testing.assert_close(model.loss(sample)["smoothness"], torch.stack(parts).mean())


def test_motion_is_asked_in_the_order_of_time():
    """A film played backwards has the inverse motions, whatever the network says."""
    model = network()
    image, sources = torch.rand(1, 3, H, W), torch.rand(1, 2, 3, H, W)
    before, after = model.source_poses(image, sources).unbind(1)
    torch.testing.assert_close(torch.linalg.inv(before), model.pose(sources[:, 0], image))
    torch.testing.assert_close(after, model.pose(image, sources[:, 1]))


def test_motion_starts_near_rest():
    pose = PoseNetwork()(*torch.rand(2, 4, 3, H, W))
    torch.testing.assert_close(pose, torch.eye(4).expand(4, 4, 4), atol=0.01, rtol=0)


def test_it_learns_two_depths_from_video():
    """The left half is twice as near as the right, and nobody says so."""
    truth = torch.where(torch.arange(W).expand(H, -1) < W // 2, 1.5, 3.0)
    sample, model = scene(truth), network(depths=(0.5, 20.0))
    untrained = error(model, sample, truth)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(40):
        optimizer.zero_grad()
        model.loss(sample, known_motion=True)["loss"].backward()
        optimizer.step()
    constant = depth_errors(torch.full_like(truth, 2.0), truth)["abs_rel"]
    assert error(model, sample, truth) < 0.4 * min(constant, untrained)


@torch.no_grad()
def error(model, sample, truth):
    predicted = model.eval()(sample["image"])[0]
    model.train()
    return depth_errors(predicted, truth)["abs_rel"]


def test_networks_see_the_augmented_frames_and_the_loss_the_true_ones():
    sample, model, seen = scene(torch.tensor(2.0)), fixed_depth(2.0), []
    bare = model.loss(sample, known_motion=True, generator=torch.Generator().manual_seed(0))
    augmented = torch.rand(1, 3, 3, H, W)
    disparities = model.disparities
    model.disparities = lambda image, strides: seen.append(image) or disparities(image, strides)
    model.source_poses = lambda image, sources: (
        seen.extend([image, *sources.unbind(1)]) or sample["poses"]
    )
    for known in (True, False):
        again = model.loss(
            sample | {"augmented_frames": augmented},
            known_motion=known,
            generator=torch.Generator().manual_seed(0),
        )
        torch.testing.assert_close(again, bare)
    assert all(
        torch.equal(image, augmented[:, i]) for image, i in zip(seen, (1, 1, 0, 2, 1), strict=True)
    )
