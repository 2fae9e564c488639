"""Dots lie where the cells are, and are as large as their weights."""

import math

import pytest
import torch

from unstride.viz.footprint import draw_footprint, footprint_box
from unstride.viz.rows import stack_with_captions

CELL, GREY = (10.0, 10.0), 0.5


def footprint_picture(weights, point=(1.0, 1.0), **options):
    photo = torch.full((1, 3, 40, 60), GREY)
    return draw_footprint(photo, weights, CELL, point, height=400, **options)[0]


def pixels_of(picture, colour, others):
    """Rows and columns of the pixels in which one colour outshines two."""
    a, b, c = (picture[i] for i in (colour, *others))
    return ((a > b + 0.4) & (a > c + 0.4)).nonzero().float()


def red_pixels(picture):
    return pixels_of(picture, 0, (1, 2))


def test_a_dot_is_centred_on_its_cell():
    weights = torch.zeros(4, 6)
    weights[2, 4] = 0.7
    picture = footprint_picture(weights)
    assert picture.shape == (3, 400, 600)
    centre = red_pixels(picture).mean(0)
    torch.testing.assert_close(centre, torch.tensor([249.5, 449.5]), rtol=0, atol=1)


def test_its_area_is_its_share_and_its_colour_its_sign():
    weights = torch.zeros(4, 6)
    weights[1, 1], weights[1, 4] = 0.8, 0.2
    places = red_pixels(footprint_picture(weights))
    large, small = (places[:, 1] < 300).sum(), (places[:, 1] > 300).sum()
    assert 3 < large / small < 6  # 4, less the white rims
    weights[1, 4] = -0.2
    picture = footprint_picture(weights)
    assert len(red_pixels(picture)) == large
    blue = pixels_of(picture, 2, (0, 1))
    torch.testing.assert_close(blue.mean(0), torch.tensor([149.5, 449.5]), rtol=0, atol=1)


def test_the_circle_is_at_the_point():
    ring = pixels_of(footprint_picture(torch.zeros(4, 6), (25.0, 15.0)), 1, (0, 2))
    assert len(ring) > 50
    torch.testing.assert_close(ring.mean(0), torch.tensor([149.5, 249.5]), rtol=0, atol=1)
    radii = (ring - ring.mean(0)).norm(dim=1)
    assert radii.min() > 5  # a ring, not a disc
    assert radii.max() < 15


def test_a_box_magnifies_and_is_grey_beyond_the_photograph():
    weights = torch.zeros(4, 6)
    weights[3, 5] = 1.0
    picture = footprint_picture(weights, box=(40.0, 20.0, 80.0, 60.0))
    assert picture.shape == (3, 400, 400)
    torch.testing.assert_close(
        red_pixels(picture).mean(0), torch.tensor([149.5, 149.5]), rtol=0, atol=1
    )
    assert (picture[:, 300:, :] > 0.85).all()
    assert (picture[:, :100, 10:90] < 0.75).all()


def test_the_closer_view_holds_the_point_and_every_weight_that_counts():
    weights = torch.zeros(20, 30)
    weights[4, 7], weights[9, 12], weights[19, 0] = 1.0, -0.1, 0.001
    left, top, right, bottom = footprint_box(weights, CELL, (150.0, 60.0))
    assert right - left == bottom - top
    assert left <= 70 < 150 <= right
    assert top <= 40 < 100 <= bottom
    assert right - left < 110
    corner = torch.zeros(20, 30)
    corner[0, 29] = 1.0
    left, top, right, _ = footprint_box(corner, CELL, (295.0, 5.0))
    assert (top, right) == (0, 300)  # moved onto the grid
    assert right - left == 30


def test_nothing_to_show_is_shown():
    picture = footprint_picture(
        torch.zeros(4, 6), box=footprint_box(torch.zeros(4, 6), CELL, (30.0, 20.0))
    )
    assert len(red_pixels(picture)) == 0
    assert not picture.isnan().any()


@pytest.mark.parametrize("text", ["short", "a line that is longer than the picture " * 3])
def test_rows_are_as_wide_as_their_text(text):
    page = stack_with_captions(
        [(text, torch.zeros(3, 50, 80)), ("second", torch.ones(3, 20, 200))], text_size=10
    )
    assert page.shape[1] == 50 + 20 + 2 * 20
    assert page.shape[2] == 200 if text == "short" else page.shape[2] > 300
    assert (page[:, :20] < 0.5).any()
    assert math.isclose(float(page[:, 20:70, :80].max()), 0)
