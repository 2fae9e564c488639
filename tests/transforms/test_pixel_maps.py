"""Depth, normals and coordinates move with the photograph, and mean the same afterwards."""

import math

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from unstride.geometry import half_pixel_intrinsics
from unstride.transforms.normals import normals_from_depth
from unstride.transforms.pixel_maps import CoordinateMap, DepthMap, NormalMap
from unstride.transforms.spatial import UNSUPPORTED_TRANSFORMS

H, W = 9, 12
K = torch.tensor([[11.0, 0, 5.3], [0, 11.0, 4.1], [0, 0, 1]])
ROTATION = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # 90 degrees, counter-clockwise

# A transform, and how it changes intrinsics: (x, y, 1) -> matrix (x, y, 1).
MOVES = {
    "flip": (F.horizontal_flip, [[-1, 0, W], [0, 1, 0], [0, 0, 1]]),
    "flip over": (F.vertical_flip, [[1, 0, 0], [0, -1, H], [0, 0, 1]]),
    "crop": (lambda m: F.crop(m, 2, 3, 5, 6), [[1, 0, -3], [0, 1, -2], [0, 0, 1]]),
    "crop beyond": (lambda m: F.crop(m, -1, 4, 6, 9), [[1, 0, -4], [0, 1, 1], [0, 0, 1]]),
    "pad": (lambda m: F.pad(m, [1, 2, 3, 0]), [[1, 0, 1], [0, 1, 2], [0, 0, 1]]),
    "pad mirrored": (
        lambda m: F.pad(m, [1, 2], padding_mode="reflect"), [[1, 0, 1], [0, 1, 2], [0, 0, 1]],
    ),
    "centre": (lambda m: F.center_crop(m, [5, 14]), [[1, 0, 1], [0, 1, -2], [0, 0, 1]]),
    "a third": (lambda m: F.resize(m, [3, 4]), [[1 / 3, 0, 0], [0, 1 / 3, 0], [0, 0, 1]]),
    "crop to a third": (
        lambda m: F.resized_crop(m, 0, 3, 9, 9, [3, 3]), [[1 / 3, 0, -1], [0, 1 / 3, 0], [0, 0, 1]],
    ),
    "turn": (
        lambda m: F.rotate(m, 90, expand=True), [[0, 1, 0], [-1, 0, W], [0, 0, 1]],
    ),
}  # fmt: skip


def plane(normal, distance=4.0):
    """Depth of the plane normal . P = -distance, in closed form, and its normals."""
    normal = torch.nn.functional.normalize(torch.tensor(normal), dim=0)
    y, x = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    rays = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones(H, W)])
    depth = -distance / (normal[:, None, None] * rays).sum(0)
    assert (depth > 0).all()
    return DepthMap(depth), NormalMap(normal[:, None, None].expand(-1, H, W).clone())


def camera_after(matrix, linear):
    """Intrinsics of the moved camera: its frame is mirrored or turned like the picture."""
    return torch.tensor(matrix, dtype=torch.float) @ K @ torch.linalg.inv(linear)


@pytest.mark.parametrize("name", MOVES)
def test_normals_of_the_moved_depth_are_the_moved_normals(name):
    move, matrix = MOVES[name]
    linear = {
        "flip": torch.diag(torch.tensor([-1.0, 1, 1])),
        "flip over": torch.diag(torch.tensor([1.0, -1, 1])),
        "turn": ROTATION,
    }.get(name, torch.eye(3))
    depth, normals = plane([0.3, -0.2, -1.0])
    moved_depth, moved_normals = move(depth), move(normals)
    assert type(moved_depth) is DepthMap
    assert type(moved_normals) is NormalMap
    found = normals_from_depth(
        moved_depth[None], camera_after(matrix, linear)[None], edge_threshold=math.inf
    )
    known = moved_depth > 0
    assert known.sum() >= 9
    assert torch.equal(known, moved_normals.square().sum(0) > 0)
    torch.testing.assert_close(found[0][:, known], moved_normals[:, known], atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", MOVES)
def test_coordinates_say_where_each_pixel_came_from(name):
    move, matrix = MOVES[name]
    moved = move(CoordinateMap.identity(H, W))
    h, w = moved.shape[1:]
    inverse = torch.linalg.inv(torch.tensor(matrix, dtype=torch.float))
    centres = torch.cat([CoordinateMap.identity(h, w), torch.ones(1, h, w)])
    expected = torch.einsum("ij,jhw->ihw", inverse, centres)[:2]
    inside = (expected > 0).all(0) & (expected[0] < W) & (expected[1] < H)
    torch.testing.assert_close(moved[:, inside], expected[:, inside])
    assert moved[:, ~inside].isnan().all()


@pytest.mark.parametrize("name", MOVES)
def test_depth_is_that_of_the_pixel_it_came_from(name):
    move, _ = MOVES[name]
    depth = torch.rand(H, W) + 1
    moved, coordinates = move(DepthMap(depth)), move(CoordinateMap.identity(H, W))
    known = moved > 0
    assert torch.equal(known, ~coordinates.isnan().any(0))
    x, y = coordinates[:, known].floor().long()
    assert torch.equal(moved[known], depth[y, x])


def test_a_flip_negates_the_x_of_normals_and_flipping_twice_does_nothing():
    normals = NormalMap(torch.nn.functional.normalize(torch.randn(3, H, W), dim=0))
    flipped = F.horizontal_flip(normals)
    assert torch.equal(flipped[0], -normals[0].flip(-1))
    assert torch.equal(flipped[1:], normals[1:].flip(-1))
    assert torch.equal(F.horizontal_flip(flipped), normals)
    assert torch.equal(F.vertical_flip(F.vertical_flip(normals)), normals)


@pytest.mark.parametrize("size", [(18, 24), (27, 12), (5, 7), (1, 1)])
def test_coordinates_of_any_size_are_exact_up_to_the_border(size):
    h, w = size
    moved = F.resize(CoordinateMap.identity(H, W), [h, w])
    expected = CoordinateMap.identity(h, w) * torch.tensor([W / w, H / h]).view(2, 1, 1)
    torch.testing.assert_close(moved.as_subclass(torch.Tensor), expected)


def test_resized_normals_are_unit_and_forget_what_is_mostly_unknown():
    values = torch.nn.functional.normalize(torch.randn(3, 8, 8), dim=0)
    values[:, :, 2:] = 0
    length = F.resize(NormalMap(values), [4, 4], antialias=True).norm(dim=0)
    torch.testing.assert_close(length[:, 0], torch.ones(4))
    assert (length[:, 1:] == 0).all()


def test_opposite_normals_leave_nothing_to_know():
    values = torch.full((3, 2, 2), 1e-4)
    values[2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert (F.resize(NormalMap(values), [1, 1]) == 0).all()


def test_moved_depth_holds_no_depth_that_was_not_there():
    depth = torch.tensor([1.0, 1, 5, 5, 0, 0]).expand(4, 6).clone()
    for size in ([8, 12], [3, 5], [2, 2]):
        assert set(F.resize(DepthMap(depth), size).unique().tolist()) <= {0.0, 1.0, 5.0}
    assert set(F.rotate(DepthMap(depth), 20).unique().tolist()) <= {0.0, 1.0, 5.0}


def test_an_oblique_turn_takes_normals_along():
    normals = NormalMap(torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, H, W).clone())
    turned = F.rotate(normals, 30)[:, H // 2, W // 2]
    expected = torch.tensor([math.cos(math.pi / 6), -0.5, 0])  # up, and y points down
    torch.testing.assert_close(turned, expected)
    coordinates = F.rotate(CoordinateMap.identity(H, W), 30, center=[6.0, 4.5])
    along = (
        coordinates[:, 4, 7] - coordinates[:, 4, 6]
    )  # one step to the right, in the image before
    torch.testing.assert_close(along, torch.tensor([math.cos(math.pi / 6), 0.5]))


def test_a_whole_sample_moves_together_and_colours_leave_maps_alone():
    ramp = CoordinateMap.identity(32, 40)
    sample = {
        "image": tv_tensors.Image(torch.cat([ramp / 40, torch.zeros(1, 32, 40)])),
        "depth": DepthMap(ramp[:1].clone()),
        "coordinates": ramp,
        "labels": tv_tensors.Mask(ramp[0].long()),
    }
    moves = v2.Compose([
        v2.RandomHorizontalFlip(0.5), v2.Resize((32, 40)),
        v2.RandomCrop((16, 20)), v2.Pad(3, fill=7), v2.RandomCrop((18, 18), pad_if_needed=True),
    ])  # fmt: skip
    for _ in range(5):
        moved = moves(sample)
        known = ~moved["coordinates"].isnan().any(0)
        assert known.any()
        assert (moved["depth"][0, ~known] == 0).all()
        torch.testing.assert_close(moved["depth"][0, known], moved["coordinates"][0, known])
        torch.testing.assert_close(moved["image"][0, known] * 40, moved["coordinates"][0, known])
    coloured = v2.ColorJitter(0.5, 0.5)(v2.Normalize([0.5] * 3, [0.5] * 3)(sample))
    assert coloured["depth"] is sample["depth"]


@pytest.mark.parametrize("name", UNSUPPORTED_TRANSFORMS)
def test_what_cannot_be_followed_is_refused(name):
    depth = DepthMap(torch.ones(H, W))
    arguments = {
        "affine": (10.0, [0, 0], 1.0, [0.0, 0.0]),
        "perspective": ([[0, 0], [9, 0], [9, 9], [0, 9]], [[0, 0], [9, 1], [9, 9], [0, 9]]),
        "elastic": (torch.zeros(1, H, W, 2),),
    }.get(name, ([2, 2],))
    with pytest.raises(ValueError, match=f"DepthMap does not support {name}"):
        getattr(F, name)(depth, *arguments)


def test_a_random_transform_never_passes_a_map_by():
    sample = [tv_tensors.Image(torch.rand(3, 40, 40)), NormalMap(torch.zeros(3, 40, 40))]
    for transform in (v2.RandomAffine(10), v2.RandomPerspective(p=1), v2.ElasticTransform()):
        with pytest.raises(ValueError, match="NormalMap does not support"):
            transform(sample)


@pytest.mark.parametrize(
    ("kind", "data"),
    [(DepthMap, torch.ones(3, 4, 4)), (DepthMap, torch.ones(4, 4).long()),
     (NormalMap, torch.ones(4, 4)),
     (CoordinateMap, torch.ones(3, 4, 4)), (DepthMap, torch.ones(4))],
)  # fmt: skip
def test_maps_of_other_channels_are_refused(kind, data):
    with pytest.raises(
        ValueError, match=rf"{kind.__name__}: data must be \d x height x width floats"
    ):
        kind(data)


def test_a_ramp_of_one_pixel_cannot_be_enlarged():
    with pytest.raises(ValueError, match="one row or column"):
        F.resize(CoordinateMap.identity(1, 4), [2, 4])


def test_batches_and_nothing_to_do():
    batch = NormalMap(torch.rand(2, 5, 3, H, W))
    assert F.resize(batch, [H, W]).shape == batch.shape
    assert F.resize(batch, [3, 4]).shape == (2, 5, 3, 3, 4)
    assert F.crop(batch, 0, 0, 2, 2).shape == (2, 5, 3, 2, 2)
    assert torch.equal(F.resize(batch, [H, W]), batch)
    assert F.resize(DepthMap(torch.ones(H, W)), 6).shape == (6, 8)
    assert F.resize(DepthMap(torch.ones(H, W)), None, max_size=6).shape == (4, 6)


def test_the_centre_of_a_pixel_is_half_a_pixel_in():
    assert CoordinateMap.identity(1, 1).flatten().tolist() == [0.5, 0.5]
    assert half_pixel_intrinsics(torch.eye(3))[:, 2].tolist() == [0.5, 0.5, 1]
