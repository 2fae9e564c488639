"""FeatUp's downsamplers against their sums, window by window."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    first_tap,
    map_of_pixels,
    num_parameters,
    randomised,
    window_at,
)
from unstride.upsamplers import AttentionPool, Blur

SIZES = [((6, 10), (3, 5)), ((7, 9), (4, 5))]


def blur_reference(down, features, size):
    """|kernel| / sum |kernel| over each window, the outermost pixel repeated beyond the border."""
    kernel, (h, w) = down.kernel.abs() / down.kernel.abs().sum(), features.shape[2:]

    def pixel(fine, y, x):
        top, left = first_tap(y, h, size[0], len(kernel)), first_tap(x, w, size[1], len(kernel))
        return sum(
            weight * fine[:, min(max(top + p, 0), h - 1), min(max(left + q, 0), w - 1)]
            for p, row in enumerate(kernel)
            for q, weight in enumerate(row)
        )

    return torch.stack([map_of_pixels(lambda y, x, f=f: pixel(f, y, x), size) for f in features])


@pytest.mark.parametrize(("grid", "size"), SIZES)
@pytest.mark.parametrize("k", [None, 3])
def test_blur_is_one_kernel_that_sums_to_one(k, grid, size):
    assert_matches_reference(
        Blur(2, kernel_size=k), blur_reference, torch.randn(2, 2, *grid), size=size
    )


@pytest.mark.parametrize("scale", [2, 3])
def test_both_start_as_the_average_of_a_cell(scale):
    features = torch.randn(2, 3, 2 * scale, 5 * scale)
    average = avg_pool2d(features, scale)
    torch.testing.assert_close(Blur(3, scale, kernel_size=scale)(features), average)
    pool = AttentionPool(3, scale, blur=False).eval()
    with torch.no_grad():
        pool.saliency[1].weight.zero_()
        pool.gain.fill_(0.7)
        pool.bias.fill_(0.3)
    torch.testing.assert_close(pool(features), average)


def gaussian_reference(fine):
    """Five pixels wide, of one pixel's deviation, the outermost pixel repeated."""
    h, w = fine.shape[1:]
    bell = (-torch.arange(-2, 3, dtype=fine.dtype).square() / 2).exp()
    bell = torch.outer(bell, bell) / bell.sum() ** 2

    def pixel(y, x):
        return sum(
            bell[p, q] * fine[:, min(max(y + p - 2, 0), h - 1), min(max(x + q - 2, 0), w - 1)]
            for p in range(5)
            for q in range(5)
        )

    return map_of_pixels(pixel, (h, w))


def attention_pool_reference(down, features, size):
    """softmax of gain * saliency + bias over the taps on the map."""
    k, layer = down.kernel_size, down.saliency[1]

    def pixel(fine, y, x):
        near, inside = (window_at(t, y, x, size, k) for t in (fine, torch.ones_like(fine[:1])))
        saliency = torch.einsum("c, cpq -> pq", layer.weight[0, :, 0, 0], near) + layer.bias
        weights = (down.gain * saliency + down.bias).exp() * inside[0]
        return (near * weights).sum((1, 2)) / weights.sum()

    maps = [gaussian_reference(f) if down.blur else f for f in features]
    return torch.stack([map_of_pixels(lambda y, x, f=f: pixel(f, y, x), size) for f in maps])


@pytest.mark.parametrize(("grid", "size"), SIZES)
@pytest.mark.parametrize("options", [{}, {"kernel_size": 3, "blur": False}])
def test_attention_is_a_softmax_of_saliency(options, grid, size):
    assert_matches_reference(
        AttentionPool(3, **options), attention_pool_reference, torch.randn(2, 3, *grid), size=size
    )


def test_in_training_a_fifth_of_the_windows_forgets_its_saliency():
    pool, features = randomised(AttentionPool(3, blur=False)), torch.randn(1, 3, 80, 80).double()
    with torch.no_grad():
        pool.bias.zero_()
    attentive, average = pool(features), avg_pool2d(features, 2)
    pool.train()
    pool.saliency[0].eval()
    out = pool(features)
    forgot = (out - average).abs().amax(1) < 1e-9
    kept = (out - attentive).abs().amax(1) < 1e-9
    assert (forgot | kept).all()
    assert abs(forgot.double().mean() - 0.2) < 5 * (0.2 * 0.8 / 1600) ** 0.5  # 5 deviations


def test_in_training_a_fifth_of_the_channels_is_not_seen_by_the_saliency():
    pool = AttentionPool(50, blur=False)
    features = torch.ones(1, 50, 20, 20)
    zeros = (pool.train().saliency[0](features) == 0).float().mean()
    assert abs(zeros - 0.2) < 5 * (0.2 * 0.8 / 20_000) ** 0.5
    assert torch.equal(pool.eval().saliency[0](features), features)


def test_their_parameters_are_a_kernel_and_a_layer():
    assert num_parameters(Blur(384, 16, kernel_size=16)) == 256
    assert num_parameters(AttentionPool(384, 16)) == 2 * 256 + 385
