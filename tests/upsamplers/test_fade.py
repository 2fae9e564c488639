"""FADE against the paper's sum, pixel by pixel."""

import pytest
import torch

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    map_of_pixels,
    neighbourhood,
    num_parameters,
    pointwise_conv,
    source_pixel,
    weighted_sum,
    window_at,
)
from unstride.ops import reassemble
from unstride.upsamplers import FADE


def fade_reference(up, features, guide, size):
    """Both grids' 3 x 3 windows speak for the kernel; then gate * guide + (1 - gate) * result."""
    k, (h, w) = up.kernel_size, features.shape[2:]

    def pixel(coarse, fine, own, theirs, y, x):
        i, j = source_pixel(y, h, size[0]), source_pixel(x, w, size[1])
        logits = 2 * up.kernel.bias  # each grid adds it
        for near in (neighbourhood(theirs, y, x, 3), neighbourhood(own, i, j, 3)):
            logits = logits + torch.einsum("ocpq, cpq -> o", up.kernel.weight, near)
        weights = (logits.exp() / logits.exp().sum()).reshape(1, k, k)
        out = weighted_sum(window_at(coarse, y, x, size, k), weights)
        if up.gate is None:
            return out
        gate = 1 / (1 + (-(up.gate.weight[0, :, 0, 0] @ coarse[:, i, j] + up.gate.bias)).exp())
        return gate * fine[:, y, x] + (1 - gate) * out

    maps = []
    for coarse, fine in zip(features, guide, strict=True):
        own, theirs = pointwise_conv(coarse, up.compress), pointwise_conv(fine, up.compress_guide)
        maps.append(map_of_pixels(
            lambda y, x, f=coarse, g=fine, o=own, t=theirs: pixel(f, g, o, t, y, x), size
        ))  # fmt: skip
    return torch.stack(maps)


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize("guide_channels", [4, 3], ids=["gated", "without gate"])
def test_it_is_the_papers_sum(guide_channels, size):
    up = FADE(4, guide_channels=guide_channels, compressed_channels=3, start="published")
    features, guide = torch.randn(2, 4, 3, 5), torch.randn(2, guide_channels, *size)
    assert_matches_reference(up, fade_reference, features, guide, size=size)


def test_a_gate_of_zero_leaves_the_reassembly_and_a_gate_of_one_the_guide():
    up, features, guide = FADE(4), torch.randn(1, 4, 3, 5), torch.randn(1, 4, 6, 10)
    torch.nn.init.normal_(up.kernel.weight)
    reassembled = reassemble(features, up.predict_weights(features, guide, (6, 10)))
    for bias, expected in ((-1000, reassembled), (1000, guide)):
        torch.nn.init.constant_(up.gate.bias, bias)
        torch.testing.assert_close(up(features, guide), expected)


def test_it_has_the_published_number_of_parameters():
    assert num_parameters(FADE(256)) == 47_514
    assert num_parameters(FADE(256, gated=False)) == 47_514 - 257
