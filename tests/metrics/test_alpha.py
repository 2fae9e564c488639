"""Errors of mattes against an evaluation written anew with numpy and scipy, pixel by pixel."""

from math import ceil, exp, log, pi, sqrt

import numpy as np
import pytest
import torch

from unstride.metrics.alpha import alpha_errors, gradient_length, largest_component

ndimage = pytest.importorskip("scipy.ndimage", reason="the extra 'matting' is not installed")


def example(size=(24, 31)):
    truth = torch.rand(size)
    truth[3:15, 4:20] = 1
    truth[18:, :] = 0
    alpha = (truth + 0.3 * torch.randn(size)).clamp(0, 1)
    return alpha, truth, torch.rand(size) > 0.4


def gradient_with_scipy(matte):
    matte = (matte - matte.min()) / (matte.max() - matte.min())
    sigma = 1.4
    half = ceil(sigma * sqrt(-2 * log(sqrt(2 * pi) * sigma * 0.01)))
    gauss = np.array(
        [exp(-(x**2) / (2 * sigma**2)) / (sigma * sqrt(2 * pi)) for x in range(-half, half + 1)]
    )
    slope = np.array(
        [-x * g / sigma**2 for x, g in zip(range(-half, half + 1), gauss, strict=True)]
    )
    kernel = np.outer(gauss, slope)
    kernel /= np.sqrt((kernel**2).sum())
    across, down = (ndimage.convolve(matte, k, mode="nearest") for k in (kernel, kernel.T))
    return np.sqrt(across**2 + down**2)


def connectivity(alpha, truth, unknown):
    level = -np.ones_like(alpha)
    for i in range(1, 11):
        both = (alpha >= i / 10) & (truth >= i / 10)
        labels, count = ndimage.label(both)
        largest = np.zeros_like(both)
        if count:
            sizes = [(labels == n).sum() for n in range(1, count + 1)]
            largest = labels == 1 + int(np.argmax(sizes))
        level[(level == -1) & ~largest] = (i - 1) / 10
    level[level == -1] = 1
    degrees = []
    for matte in (alpha, truth):
        excess = matte - level
        degrees.append(1 - excess * (excess >= 0.15))
    return np.abs(degrees[0] - degrees[1])[unknown].sum() / 1000


def test_errors_are_those_of_the_original_evaluation():
    alpha, truth, unknown = example()
    a, t, u = alpha.double().numpy(), truth.double().numpy(), unknown.numpy()
    errors = alpha_errors(alpha, truth, unknown)
    assert errors["sad"] == pytest.approx(np.abs(a - t)[u].sum() / 1000)
    assert errors["mse"] == pytest.approx(((a - t) ** 2)[u].mean())
    slopes = gradient_with_scipy(a) - gradient_with_scipy(t)
    assert errors["grad"] == pytest.approx((slopes**2)[u].sum() / 1000)
    assert errors["conn"] == pytest.approx(connectivity(a, t, u))


def test_the_truth_has_no_error_and_nothing_unknown_none_either():
    alpha, truth, unknown = example()
    assert set(alpha_errors(truth, truth, unknown).values()) == {0.0}
    assert set(alpha_errors(alpha, truth, unknown & False).values()) == {0.0}


def test_known_pixels_do_not_count():
    alpha, truth, unknown = example()
    changed = torch.where(unknown, alpha, 1 - truth)
    for name in ("sad", "mse"):
        errors = [alpha_errors(matte, truth, unknown)[name] for matte in (alpha, changed)]
        assert errors[0] == errors[1]


def test_the_gradient_of_a_ramp_is_the_same_everywhere_and_of_a_constant_none():
    ramp = torch.arange(40, dtype=torch.float64).expand(30, 40)
    length = gradient_length(ramp)[10:20, 10:30]
    torch.testing.assert_close(length, length[0, 0].expand_as(length))
    torch.testing.assert_close(gradient_length(ramp.T), gradient_length(ramp).T)
    assert gradient_length(torch.ones(20, 20)).abs().max() < 1e-6


def test_components_touch_by_their_sides():
    region = torch.tensor([[1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1]]).bool()
    expected = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]]).bool()
    assert torch.equal(largest_component(region), expected)
    assert not largest_component(region & False).any()


def test_other_sizes_are_refused():
    alpha, truth, unknown = example()
    with pytest.raises(ValueError, match="prediction and target must have the same size"):
        alpha_errors(alpha[1:], truth, unknown)
    with pytest.raises(ValueError, match="prediction and trimap must have the same size"):
        alpha_errors(alpha, truth, unknown[1:])
