"""Colours of offsets and the picture of what holes take their content from."""

import torch

from unstride.viz.offsets import colour_wheel, offset_colours, offsets_picture


def test_the_wheel_has_55_colours_that_run_in_a_circle():
    wheel = colour_wheel()
    assert wheel.shape == (55, 3)
    assert wheel[0].tolist() == [1, 0, 0]
    assert wheel[15].tolist() == [1, 1, 0]
    assert wheel[21].tolist() == [0, 1, 0]
    assert (wheel.diff(dim=0).abs().sum(1) <= 1 / 4 + 1e-6).all()
    assert (wheel[-1] - wheel[0]).abs().sum() < 0.2


def test_no_distance_is_white_and_far_is_saturated_by_direction():
    offsets = torch.tensor([[[0.0, 4.0, -4.0, 2.0]], [[0.0, 0.0, 0.0, 0.0]]])
    colours = offset_colours(offsets)
    assert colours[:, 0, 0].tolist() == [1, 1, 1]
    assert colours[:, 0, 1].min() == 0
    assert (colours[:, 0, 1] - colours[:, 0, 2]).abs().sum() > 1
    torch.testing.assert_close(colours[:, 0, 3], (1 + colours[:, 0, 1]) / 2)
    directions = torch.tensor([[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]]])
    corners = offset_colours(directions).flatten(1).T
    assert len({tuple(c.tolist()) for c in corners}) == 4


def test_the_scale_is_that_of_the_image_itself():
    offsets = torch.randn(2, 5, 6)
    torch.testing.assert_close(offset_colours(offsets), offset_colours(10 * offsets))


def test_holes_are_coloured_and_known_pixels_dimmed():
    image, is_hole = torch.full((3, 40, 60), 0.8), torch.zeros(40, 60, dtype=torch.bool)
    is_hole[8:24, 16:40] = True
    sources = torch.zeros(2, 5, 8)
    picture = offsets_picture(image, is_hole, sources)
    assert picture.shape == image.shape
    torch.testing.assert_close(picture[:, 39, 59], torch.full((3,), 0.4), rtol=0, atol=1 / 255)
    assert (picture[:, is_hole] - 0.4).abs().mean() > 0.1
