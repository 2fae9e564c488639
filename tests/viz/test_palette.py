"""Colours of classes: far apart, the same for every number of them, and a data set's own."""

import pytest
import torch

from unstride.datasets.camvid import CLASSES as CAMVID_CLASSES
from unstride.datasets.cityscapes import Cityscapes
from unstride.viz.oklab import from_oklab, to_oklab
from unstride.viz.palette import class_palette, distinct_colours, shades


def smallest_distance(colours):
    lab = to_oklab(colours)
    distances = torch.cdist(lab, lab)
    return float(distances[~torch.eye(len(lab), dtype=torch.bool)].min())


@pytest.mark.parametrize(("count", "distance"), [(12, 0.16), (40, 0.09), (133, 0.05)])
def test_any_two_colours_are_as_far_apart_as_is_said(count, distance):
    assert smallest_distance(distinct_colours(count)) >= distance


def test_a_class_keeps_its_colour_whatever_the_number_of_classes():
    torch.testing.assert_close(distinct_colours(171)[:9], distinct_colours(9))


def test_no_colour_is_grey_or_neon():
    chroma = to_oklab(distinct_colours(100))[:, 1:].norm(dim=1)
    assert chroma.min() > 0.09
    assert chroma.max() < 0.20


def test_white_and_black_and_red_are_where_the_space_has_them():
    white, black, red = to_oklab(torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]]))
    torch.testing.assert_close(white, torch.tensor([1.0, 0, 0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(black, torch.zeros(3), atol=1e-4, rtol=0)
    published = torch.tensor([0.628, 0.225, 0.126])  # of sRGB's red, as CSS Color 4 lists it
    torch.testing.assert_close(red, published, atol=1e-3, rtol=0)


def test_the_space_leads_back():
    colours = torch.rand(50, 3)
    torch.testing.assert_close(from_oklab(to_oklab(colours)), colours, atol=1e-5, rtol=0)


def test_a_data_set_has_its_own_colours_and_a_part_of_one_has_not():
    road = torch.tensor([128, 64, 128]) / 255
    for names in (CAMVID_CLASSES, Cityscapes.classes):
        torch.testing.assert_close(class_palette(names)[names.index("road")], road)
    torch.testing.assert_close(class_palette(["pedestrian"]), distinct_colours(1))


def test_shades_begin_with_the_colour_and_differ_but_less_than_classes():
    for colour in distinct_colours(8):
        found = shades(colour, 5)
        torch.testing.assert_close(found[0], colour, atol=1e-5, rtol=0)
        assert smallest_distance(found) > 0.02
        assert (to_oklab(found) - to_oklab(colour)).norm(dim=1).max() < 0.35
        assert found.min() >= 0
        assert found.max() <= 1
