"""The guided upsampling module against samples taken one by one."""

import pytest
import torch
from torch.nn.functional import interpolate

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    bilinear_sample,
    map_of_pixels,
    neighbourhood,
    resize_bilinear,
    source_coordinate,
)
from unstride.upsamplers import GuidedUpsamplingModule


def gum_reference(up, features, size):
    """The table, predicted coarsely and enlarged, says (x, y)."""
    (h, w), (weight, bias) = features.shape[2:], (up.table.weight, up.table.bias)

    def entry(coarse, i, j):
        return torch.einsum("ocpq, cpq -> o", weight, neighbourhood(coarse, i, j, 3)) + bias

    maps = []
    for coarse in features:
        table = resize_bilinear(map_of_pixels(lambda i, j, f=coarse: entry(f, i, j), (h, w)), size)
        maps.append(map_of_pixels(
            lambda y, x, f=coarse, t=table: bilinear_sample(
                f,
                source_coordinate(y, h, size[0]) + t[1, y, x],
                source_coordinate(x, w, size[1]) + t[0, y, x],
            ),
            size,
        ))  # fmt: skip
    return torch.stack(maps)


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
def test_every_pixel_is_sampled_where_the_table_says(size):
    assert_matches_reference(
        GuidedUpsamplingModule(3), gum_reference, torch.randn(2, 3, 3, 5), size=size
    )


@pytest.mark.parametrize("size", [(6, 10), (7, 9), (2, 3)], ids=str)
def test_it_starts_bilinear(size):
    features = torch.randn(1, 3, 3, 5)
    expected = interpolate(features, size, mode="bilinear")
    torch.testing.assert_close(GuidedUpsamplingModule(3)(features, size=size), expected)


def test_a_constant_table_shifts_the_map():
    up, features = GuidedUpsamplingModule(3), torch.randn(1, 3, 3, 5)
    with torch.no_grad():
        up.table.bias.copy_(torch.tensor([1.0, 0.0]))
    shifted = features[..., [1, 2, 3, 4, 4]]
    expected = interpolate(shifted, (6, 10), mode="bilinear")
    torch.testing.assert_close(up(features)[..., 1:], expected[..., 1:])  # but its first column
