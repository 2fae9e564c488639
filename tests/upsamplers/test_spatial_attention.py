"""Spatial attention against its formula, pixel by pixel."""

import pytest
import torch

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    map_of_pixels,
    neighbourhood,
    num_parameters,
    resize_bilinear,
)
from unstride.upsamplers import SpatialAttention


def spatial_attention_reference(up, features, size):
    kernel = up.gate.weight[0]

    def pixel(fine, y, x):
        score = (kernel * neighbourhood(fine, y, x, kernel.shape[1])).sum()
        return fine[:, y, x] / (1 + (-score).exp())

    maps = [resize_bilinear(f, size) for f in features]
    return torch.stack([map_of_pixels(lambda y, x, f=f: pixel(f, y, x), size) for f in maps])


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
def test_a_gate_predicted_on_the_fine_grid_scales_each_pixel(size):
    assert_matches_reference(
        SpatialAttention(3, start="published"), spatial_attention_reference,
        torch.randn(2, 3, 3, 5), size=size,
    )  # fmt: skip


def test_without_content_the_gate_is_half_open():
    up, features = SpatialAttention(3, start="published"), torch.randn(1, 3, 3, 5)
    torch.nn.init.zeros_(up.gate.weight)
    fine = torch.nn.functional.interpolate(features, (6, 10), mode="bilinear")
    torch.testing.assert_close(up(features), fine / 2)
    assert num_parameters(SpatialAttention(256)) == 9 * 256
