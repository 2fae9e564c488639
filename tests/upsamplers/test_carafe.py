"""CARAFE and its twin that downsamples against the papers' sums, pixel by pixel."""

from functools import partial

import pytest
import torch

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    map_of_pixels,
    neighbourhood,
    num_parameters,
    pointwise_conv,
    randomised,
    sub_pixel,
    weighted_sum,
    window_at,
)
from unstride.ops import reassemble
from unstride.upsamplers import CarafeDownsample, CarafeUpsample


def weights_reference(logits, normaliser):
    """Weights "g k k" from the logits of one pixel's window."""
    if normaliser == "softmax":
        return logits.exp() / logits.exp().sum((1, 2), keepdim=True)
    open_ = 1 / (1 + (-logits).exp())
    return open_ if normaliser == "sigmoid" else open_ / open_.sum((1, 2), keepdim=True)


def upsample_reference(up, features, size, dilation=1):
    """Channel ((g k + p) k + q) s^2 + u s + v is the logit of tap (p, q) at sub-pixel (u, v)."""
    s, k, g, encoder = up.scale, up.kernel_size, up.groups, up.content_encoder

    def pixel(coarse, compressed_map, y, x):
        i, u = sub_pixel(y, coarse.shape[1], size[0], s)
        j, v = sub_pixel(x, coarse.shape[2], size[1], s)
        near = neighbourhood(compressed_map, i, j, encoder.kernel_size[0], dilation)
        logits = torch.einsum("ocpq, cpq -> o", encoder.weight, near) + encoder.bias
        logits = torch.stack([
            logits[(tap * s + u) * s + v] for tap in range(g * k * k)
        ]).reshape(g, k, k)  # fmt: skip
        return weighted_sum(
            neighbourhood(coarse, i, j, k), weights_reference(logits, up.normaliser)
        )

    compressed = [pointwise_conv(f, up.channel_compressor) for f in features]
    return torch.stack([
        map_of_pixels(lambda y, x, f=f, c=c: pixel(f, c, y, x), size)
        for f, c in zip(features, compressed, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 5},
        {"kernel_size": 3, "groups": 2, "dilation": 2, "normaliser": "sigmoid_normalised"},
        {"kernel_size": 3, "groups": 4, "encoder_size": 1, "normaliser": "sigmoid"},
    ],
    ids=str,
)
def test_carafe_is_the_papers_sum(options, size):
    up = CarafeUpsample(4, compressed_channels=3, start="published", **options)
    reference = partial(upsample_reference, dilation=options.get("dilation", 1))
    assert_matches_reference(up, reference, torch.randn(2, 4, 3, 5), size=size)


def downsample_reference(down, features, size):
    """Output pixel (y, x) is predicted around input pixel (s y, s x): a convolution's stride."""
    s, k, encoder = down.scale, down.kernel_size, down.content_encoder

    def pixel(fine, compressed_map, y, x):
        near = neighbourhood(compressed_map, s * y, s * x, encoder.kernel_size[0])
        logits = torch.einsum("ocpq, cpq -> o", encoder.weight, near) + encoder.bias
        weights = weights_reference(logits.reshape(down.groups, k, k), down.normaliser)
        return weighted_sum(window_at(fine, y, x, size, k), weights)

    return torch.stack([
        map_of_pixels(
            lambda y, x, f=f: pixel(f, pointwise_conv(f, down.channel_compressor), y, x), size
        )
        for f in features
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("grid", "size", "options"),
    [
        ((6, 10), (3, 5), {}),
        ((6, 10), (3, 5), {"kernel_size": 4, "groups": 2}),
        ((7, 9), (4, 5), {"kernel_size": 3, "normaliser": "sigmoid"}),
        ((9, 6), (3, 2), {"scale": 3, "kernel_size": 3}),
    ],
    ids=str,
)
def test_its_twin_is_the_papers_sum(grid, size, options):
    down = CarafeDownsample(4, compressed_channels=3, **options)
    assert_matches_reference(down, downsample_reference, torch.randn(2, 4, *grid), size=size)


def test_without_content_it_is_a_box_darker_by_the_taps_beyond_the_border():
    up = CarafeUpsample(2, start="published")
    torch.nn.init.zeros_(up.content_encoder.weight)
    out = up(torch.ones(1, 2, 7, 9))[0, 0] * 25
    taps = torch.tensor([3.0, 4, 5, 5, 5, 5, 5, 4, 3])  # on the map, of 5
    expected = torch.outer(taps[[0, 1, 2, 3, 4, 7, 8]], taps)
    torch.testing.assert_close(out, expected.repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize("normaliser", ["softmax", "sigmoid_normalised", "sigmoid"])
def test_weights_sum_to_one_unless_they_are_plain_sigmoids(normaliser):
    up = randomised(CarafeUpsample(4, groups=2, normaliser=normaliser, start="published"))
    sums = up.predict_weights(torch.randn(1, 4, 3, 5).double(), None, (6, 10)).sum((2, 3))
    if normaliser == "sigmoid":
        assert (sums - 1).abs().min() > 0.1
    else:
        torch.testing.assert_close(sums, torch.ones_like(sums))


def test_every_group_weighs_neighbouring_channels_alone():
    up = randomised(CarafeUpsample(6, groups=3))
    features = torch.randn(1, 6, 3, 5).double()
    weights = up.predict_weights(features, None, (6, 10))
    for g in range(3):
        own = slice(2 * g, 2 * g + 2)
        alone = reassemble(features[:, own], weights[:, g : g + 1])
        torch.testing.assert_close(up(features)[:, own], alone)


def test_an_unknown_normaliser_is_refused():
    with pytest.raises(ValueError, match=r"normaliser must be one of softmax, sigmoid, .*'none'"):
        CarafeUpsample(4, normaliser="none")


def test_it_has_the_published_number_of_parameters():
    assert num_parameters(CarafeUpsample(256)) == 74_148
