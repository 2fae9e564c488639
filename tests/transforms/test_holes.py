"""Random holes and the samples that have them."""

import pytest
import torch

from unstride.transforms.holed_crop import CentreHole, HoledCrop
from unstride.transforms.holes import drawn_line, irregular_hole, random_hole, stroke_hole

KINDS = "box", "strokes", "irregular", "mixed"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(8, 8), (64, 40), (33, 97)])
def test_a_hole_leaves_something_known_and_depends_on_the_seed_alone(kind, size):
    holes = [random_hole(kind, size, seeded(seed)) for seed in range(12)]
    for seed, is_hole in enumerate(holes):
        assert is_hole.shape == (1, *size)
        assert is_hole.any()
        assert not is_hole.all()
        assert torch.equal(is_hole, random_hole(kind, size, seeded(seed)))
    assert any(not torch.equal(holes[0], other) for other in holes[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_follow_the_image(kind):
    shares = [
        sum(random_hole(kind, size, seeded(s)).float().mean().item() for s in range(30)) / 30
        for size in ((48, 64), (192, 256))
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.04)


def test_boxes_are_boxes_and_reach_every_border():
    touched = torch.zeros(20, 30, dtype=torch.bool)
    for seed in range(200):
        is_hole = random_hole("box", (20, 30), seeded(seed))[0]
        rows, columns = is_hole.any(1), is_hole.any(0)
        assert torch.equal(is_hole, rows[:, None] & columns)
        assert 6 <= rows.sum() <= 10
        assert 9 <= columns.sum() <= 15
        touched |= is_hole
    assert touched.all()


def test_strokes_start_in_all_directions():
    """The released code draws flips and drops them, so that its strokes all go one way."""
    parts = torch.stack([stroke_hole((60, 60), seeded(s)) for s in range(120)]).float().mean(0)
    quarters = [parts[y : y + 30, x : x + 30].mean() for y in (0, 30) for x in (0, 30)]
    assert max(quarters) < 1.35 * min(quarters)


def test_irregular_holes_have_the_areas_that_are_asked_for():
    for seed in range(20):
        assert 0.1 <= irregular_hole((64, 96), seeded(seed)).float().mean() <= 0.5


def test_a_line_covers_the_pixels_within_half_its_width():
    line = drawn_line(torch.tensor([[3.5, 2.5], [8.5, 2.5]]), 2.5, (6, 12))
    expected = torch.zeros(6, 12, dtype=torch.bool)
    expected[1:4, 3:9] = True
    expected[2, 2] = expected[2, 9] = True  # the round ends
    assert torch.equal(line, expected)
    for outside in ([[30.0, 30.0], [40.0, 40.0]], [[-9.0, 2.0], [-5.0, 2.0]], [[2.0, -9], [2, -5]]):
        assert not drawn_line(torch.tensor(outside), 3.0, (6, 12)).any()
    half = drawn_line(torch.tensor([[-5.0, 2.5], [2.5, 2.5]]), 1.0, (6, 12))
    assert half.nonzero().tolist() == [[2, 0], [2, 1], [2, 2]]


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="size must be at least 8 pixels a side, got 7x20"):
        random_hole("box", (7, 20), seeded())


def test_a_crop_has_its_hole_and_both_depend_on_torchs_seed():
    image = torch.rand(3, 50, 70)
    crop = HoledCrop((32, 40), "mixed")
    torch.manual_seed(5)
    first = crop(image)
    second = crop(image)
    torch.manual_seed(5)
    again = crop(image)
    assert first[0].shape == (3, 32, 40)
    assert first[1].shape == (1, 32, 40)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_the_centre_is_the_largest_of_its_shape_and_its_hole_depends_on_the_seed():
    image = torch.rand(3, 40, 100)
    crop = CentreHole((20, 30), "box")
    sample, is_hole = crop(image, 3)
    expected = torch.nn.functional.interpolate(
        image[None, :, :, 20:80], (20, 30), mode="bilinear", antialias=True
    )[0]
    torch.testing.assert_close(sample, expected)
    assert torch.equal(crop(image, 3)[1], is_hole)
    assert not torch.equal(crop(image, 4)[1], is_hole)
