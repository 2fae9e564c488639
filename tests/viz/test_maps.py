"""Depth and normals as colours."""

import pytest
import torch

from unstride.viz import depth_picture, normal_colours
from unstride.viz.depth import (
    UNKNOWN_GREY,
    colour_bar,
    colour_map,
    depth_colours,
    depth_limits,
    tick_values,
)
from unstride.viz.oklab import to_oklab


def lightness(colours):
    return to_oklab(colours.flatten(1).T)[:, 0]


def test_lightness_falls_evenly_over_the_map_and_every_colour_can_be_shown():
    steps = lightness(colour_map(torch.linspace(0, 1, 256))).diff()
    assert steps.max() < 0
    torch.testing.assert_close(steps, steps.mean().expand(255), atol=2e-4, rtol=0)


def test_farther_is_never_lighter_and_the_ends_hold_beyond_the_span():
    depth = torch.linspace(0.5, 12, 500)[None]
    found = lightness(depth_colours(depth, (1.0, 10.0)))
    assert found.diff().max() <= 1e-6
    assert found[0] - found[-1] > 0.7
    assert torch.equal(found[depth[0] > 10], found[-1].expand(int((depth > 10).sum())))


def test_equal_ratios_are_equal_steps():
    depth = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    assert lightness(depth_colours(depth, (1.0, 8.0))).diff().std() < 0.01


def test_unknown_depth_is_grey_and_no_colour_of_the_map():
    depth = torch.tensor([[0.0, 1.0, -1.0, float("nan")]])
    found = depth_colours(depth, (1.0, 2.0))
    assert torch.equal(found[:, 0, [0, 2, 3]], torch.full((3, 3), UNKNOWN_GREY))
    chroma = to_oklab(colour_map(torch.linspace(0, 1, 256)).T)[:, 1:].norm(dim=1)
    assert chroma.min() > 0.05


def test_the_span_is_what_is_there_but_for_two_percent_at_either_end():
    depth = torch.linspace(1, 5, 1001)[None]
    near, far = depth_limits(depth)
    assert near == pytest.approx(1.08)
    assert far == pytest.approx(4.92)
    assert depth_limits(torch.zeros(3, 3)) == (1.0, 2.0)
    near, far = depth_limits(torch.full((3, 3), 2.0))
    assert near < 2 < far


@pytest.mark.parametrize("span", [(0.1, 10.0), (1.0, 80.0), (1.02, 1.09), (2.3, 2.9), (40.0, 43.0)])
def test_ticks_are_round_and_inside(span):
    found = tick_values(span)
    assert 2 <= len(found) <= 30
    assert all(span[0] <= value <= span[1] for value in found)
    assert all(len(f"{value:g}") <= 4 for value in found)


def test_a_scale_runs_from_near_to_far_under_the_picture():
    depth = torch.linspace(1, 5, 4000).view(40, 100)
    found = depth_picture(depth)
    assert torch.equal(found[:, :40], depth_colours(depth, depth_limits(depth)))
    bar = colour_bar((1.0, 5.0), 100, 10)[:, 7, 5:95]
    torch.testing.assert_close(bar, colour_map(torch.linspace(0, 1, 90)), atol=0.003, rtol=0)


def test_right_is_red_up_is_green_and_towards_the_viewer_is_blue():
    right, up, near = [1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]  # x right, y down, z forward
    normals = torch.tensor([right, up, near, [0, 0, 0]]).T[:, None]
    expected = torch.tensor([[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1], [0.5, 0.5, 0.5]])
    assert torch.equal(normal_colours(normals)[:, 0].T, expected)
