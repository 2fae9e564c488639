"""SAPA against the paper's sum, pixel by pixel."""

import pytest
import torch

from tests.upsamplers.pixel_reference import (
    adaptive_pool,
    assert_matches_reference,
    map_of_pixels,
    num_parameters,
    pointwise_conv,
    resize_bilinear,
    source_pixel,
    window_at,
)
from unstride.upsamplers import SAPA


def layer_norm(maps, norm):
    """Each pixel's channels to mean 0 and variance 1, then slope and offset."""

    def pixel(y, x):
        centred = maps[:, y, x] - maps[:, y, x].mean()
        return centred / (centred.square().mean() + 1e-5).sqrt() * norm.weight + norm.bias

    return map_of_pixels(pixel, maps.shape[1:])


def sapa_reference(up, features, guide, size):
    """softmax over the taps of <query, key>; taps off the map have score and value 0."""
    k, (h, w) = up.kernel_size, features.shape[2:]

    def pixel(coarse, queries, keys, gate, own_queries, y, x):
        query, i, j = queries[:, y, x], source_pixel(y, h, size[0]), source_pixel(x, w, size[1])
        if up.gate is not None:
            query = gate[0, i, j] * query + (1 - gate[0, i, j]) * own_queries[:, i, j]
        total = norm = 0
        cells = [window_at(t, y, x, size, k).flatten(1) for t in (keys, coarse)]
        for key, value in zip(*(t.unbind(1) for t in cells), strict=True):
            weight = (query @ key).exp()
            total, norm = total + weight * value, norm + weight
        return total / norm

    maps = []
    for coarse, fine in zip(features, guide, strict=True):
        queries = pointwise_conv(layer_norm(fine, up.norm_guide), up.query)
        own = layer_norm(coarse, up.norm)
        keys, gate, mixed = pointwise_conv(own, up.key), None, None
        if up.gate is not None:
            gate = 1 / (1 + (-pointwise_conv(own, up.gate)).exp())
            mixed = pointwise_conv(coarse, up.query_features)
        maps.append(map_of_pixels(
            lambda y, x, maps=(coarse, queries, keys, gate, mixed): pixel(*maps, y, x), size
        ))  # fmt: skip
    return torch.stack(maps)


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize("gated", [False, True])
def test_it_is_the_papers_softmax(gated, size):
    up = SAPA(4, guide_channels=3, embedding=5, gated=gated, start="published")
    features, guide = torch.randn(2, 4, 3, 5), torch.randn(2, 3, *size)
    assert_matches_reference(up, sapa_reference, features, guide, size=size)


def test_a_guide_of_another_size_is_averaged_or_resized_first():
    up, features = SAPA(4, guide_channels=3), torch.randn(1, 4, 3, 5)
    large, small = torch.randn(1, 3, 13, 21), torch.randn(1, 3, 5, 8)
    expected = up(features, adaptive_pool(large, (6, 10)))
    torch.testing.assert_close(up(features, large), expected)
    expected = up(features, resize_bilinear(small[0], (6, 10))[None])
    torch.testing.assert_close(up(features, small), expected)


@pytest.mark.parametrize("gated", [False, True])
def test_a_step_edge_in_the_guide_is_kept_to_the_pixel(gated):
    """Features and guide are (v, -v) left and (-v, v) right: alike is what was embedded alike."""
    up = SAPA(2, 4, embedding=2, gated=gated)
    with torch.no_grad():
        for layer in (up.query, up.key):
            layer.weight.copy_(5 * torch.eye(2)[..., None, None])
            layer.bias.zero_()
        if gated:
            up.gate.weight.zero_()
            up.gate.bias.fill_(20)  # the guide alone asks
    step = torch.where(torch.arange(24) < 14, 1.0, -1.0)  # inside coarse pixel 3
    guide = torch.stack([step, -step])[None, :, None].expand(1, 2, 24, 24)
    coarse = torch.where(torch.arange(6) < 3, 1.0, -1.0)
    features = torch.stack([coarse, -coarse])[None, :, None].expand(1, 2, 6, 6)
    torch.testing.assert_close(up(features, guide), guide, rtol=0, atol=1e-5)


def test_a_closed_gate_asks_with_the_features_themselves():
    up, features = SAPA(3, gated=True), torch.randn(1, 3, 3, 5)
    with torch.no_grad():
        up.gate.bias.fill_(-1000)
    one, other = (up(features, torch.randn(1, 3, 6, 10)) for _ in range(2))
    torch.testing.assert_close(one, other)


def test_it_has_the_published_number_of_parameters():
    assert num_parameters(SAPA(256)) == 33_920
    assert num_parameters(SAPA(256, gated=True)) == 33_920 + 257 + 16_448
