"""Laws that hold for every implementation: windows, constants, shifts, known special cases."""

import math
from fractions import Fraction

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from tests.ops.size_cases import SIZE_CASES, random_inputs
from unstride.ops import correlate, fold_border, reassemble, scatter
from unstride.ops.window import adjoint_windows, window_start


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize(
    ("n_in", "n_out"), [(5, 10), (7, 7), (12, 3), (5, 13), (17, 6), (1, 9), (9, 1)]
)
def test_windows_follow_the_rule_in_exact_arithmetic(n_in, n_out, k):
    for y, start in enumerate(window_start(n_in, n_out, k).tolist()):
        s = (y + Fraction(1, 2)) * n_in / n_out
        centre = math.floor(s) + Fraction(1, 2) if n_out > n_in else s
        assert start == math.floor(centre - Fraction(k, 2))
        assert -(k // 2) <= start <= n_in - (k + 1) // 2


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("n_in", "n_out"), [(5, 10), (7, 7), (12, 3), (5, 13), (17, 6), (1, 9), (9, 1)]
)
def test_holders_are_the_outputs_whose_window_holds_the_input(n_in, n_out, k):
    start = window_start(n_in, n_out, k).tolist()
    first, count = adjoint_windows(n_in, n_out, k)
    for i in range(n_in):
        holders = {y for y in range(n_out) if start[y] <= i < start[y] + k}
        assert holders == set(range(n_out)) & set(range(first[i], first[i] + count[i]))


def test_one_tap_of_weight_one_shifts_the_image():
    features = torch.arange(12.0).view(1, 1, 3, 4)
    left_neighbour = torch.zeros(1, 1, 3, 3, 3, 4)
    left_neighbour[:, :, 1, 0] = 1
    out = reassemble(features, left_neighbour)
    assert out[0, 0].tolist() == [[0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]]


def test_groups_take_their_own_weights():
    features = torch.ones(1, 4, 2, 2)
    weights = torch.zeros(1, 2, 1, 1, 2, 2)
    weights[:, 1] = 3
    assert reassemble(features, weights)[0, :, 0, 0].tolist() == [0, 0, 3, 3]


def test_quarters_in_a_window_of_two_are_average_pooling():
    features = torch.randn(2, 3, 6, 10)
    out = reassemble(features, torch.full((2, 1, 2, 2, 3, 5), 0.25))
    torch.testing.assert_close(out, avg_pool2d(features, 2))


def test_down_by_two_with_three_taps_is_a_strided_convolution():
    features, kernel = torch.randn(1, 1, 8, 10), torch.randn(3, 3)
    weights = kernel[None, None, :, :, None, None].expand(1, 1, 3, 3, 4, 5)
    expected = conv2d(features, kernel[None, None], stride=2, padding=1)
    # The window of the rule is centred on the corner between pixels: one up, one left.
    torch.testing.assert_close(reassemble(features, weights), expected)


def test_carafe_by_the_paper():
    """Wang et al. 2019, equation 2, pixel by pixel."""
    features, weights = torch.randn(1, 2, 3, 4), torch.randn(1, 1, 5, 5, 6, 8)
    out = reassemble(features, weights)
    for y in range(6):
        for x in range(8):
            expected = torch.zeros(2)
            for n in range(-2, 3):
                for m in range(-2, 3):
                    i, j = y // 2 + n, x // 2 + m
                    if 0 <= i < 3 and 0 <= j < 4:
                        expected += weights[0, 0, n + 2, m + 2, y, x] * features[0, :, i, j]
            torch.testing.assert_close(out[0, :, y, x], expected)


@pytest.mark.parametrize("size", [(10, 14), (15, 14), (12, 11), (5, 7)], ids=str)
def test_three_fixed_taps_folded_inwards_are_bilinear(size):
    features = torch.randn(2, 3, 5, 7)
    axes = []
    for n_in, n_out in zip((5, 7), size, strict=True):
        here = (torch.arange(n_out) + 0.5) * n_in / n_out
        taps = window_start(n_in, n_out, 3) + torch.arange(3)[:, None] + 0.5
        axes.append((1 - (here - taps).abs()).clamp(min=0))
    weights = (axes[0][:, None, :, None] * axes[1][None, :, None, :]).expand(2, 1, -1, -1, -1, -1)
    out = reassemble(features, fold_border(weights, (5, 7), "replicate"))
    torch.testing.assert_close(out, interpolate(features, size, mode="bilinear"))


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), SIZE_CASES)
def test_the_three_are_one_bilinear_form(input_size, output_size, k, g):
    """<v, reassemble(f, w)> = <scatter(v, w), f> = <correlate(v, f), w>."""
    f, w, v = random_inputs(input_size, output_size, k, g, torch.float64)
    form = (v * reassemble(f, w)).sum()
    torch.testing.assert_close((scatter(v, w, input_size) * f).sum(), form)
    torch.testing.assert_close((correlate(v, f, k, g) * w).sum(), form)


def test_weights_that_sum_to_one_keep_a_constant_and_centred_ones_a_ramp():
    weights = torch.rand(1, 1, 5, 5, 12, 14).flatten(2, 3).softmax(2).unflatten(2, (5, 5))
    weights = fold_border(weights, (6, 7), "reflect")
    out = reassemble(torch.full((1, 2, 6, 7), 3.0), weights)
    torch.testing.assert_close(out, torch.full((1, 2, 12, 14), 3.0))
