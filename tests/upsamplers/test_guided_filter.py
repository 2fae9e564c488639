"""The guided filter against He's regression, window by window."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from tests.upsamplers.pixel_reference import (
    adaptive_pool,
    assert_matches_reference,
    map_of_pixels,
    resize_bilinear,
)
from unstride.upsamplers import GuidedFilter


def guided_filter_reference(up, features, guide, size):
    """Least squares in each window, with a ridge; coefficients averaged, enlarged, applied."""
    r, (h, w) = up.radius, features.shape[2:]

    def near(maps, y, x):
        own = maps[:, max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1]
        return own.flatten(1)

    def line(coarse, colours, y, x):
        p, colour = near(coarse, y, x), near(colours, y, x)
        away = colour - colour.mean(1, keepdim=True)
        covariance = away @ away.T / away.shape[1] + up.epsilon * torch.eye(len(away))
        slopes = torch.linalg.solve(covariance, away @ p.T / away.shape[1])
        intercept = p.mean(1) - slopes.T @ colour.mean(1)
        return torch.cat([slopes.flatten(), intercept])

    maps = []
    for coarse, image in zip(features, guide, strict=True):
        fine, colours = (adaptive_pool(image[None], n)[0] for n in (size, (h, w)))
        lines = map_of_pixels(lambda y, x, f=coarse, g=colours: line(f, g, y, x), (h, w))
        lines = map_of_pixels(lambda y, x, n=lines: near(n, y, x).mean(1), (h, w))
        lines = resize_bilinear(lines, size)
        slopes = lines[: -len(coarse)].reshape(len(fine), len(coarse), *size)
        maps.append((slopes * fine[:, None]).sum(0) + lines[-len(coarse) :])
    return torch.stack(maps)


class Filter(GuidedFilter):
    """With a parameter that takes no part, since the filter has none."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.none = torch.nn.Parameter(torch.zeros(1))


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize("options", [{}, {"radius": 2, "guide_channels": 2, "epsilon": 0.1}])
def test_it_is_hes_regression_on_the_coarse_grid(options, size):
    up, guide = Filter(2, **options), torch.rand(2, options.get("guide_channels", 3), *size)
    assert_matches_reference(
        up, guided_filter_reference, torch.randn(2, 2, 3, 5), guide, size=size, idle=("none",)
    )


@pytest.mark.parametrize("size", [(12, 20), (13, 17)], ids=str)
def test_features_that_are_linear_in_the_guide_are_exact(size):
    guide, mixing = torch.rand(1, 3, *size).double(), torch.randn(4, 3, 1, 1).double()
    whole = torch.nn.functional.conv2d(guide, mixing) + 5
    features = adaptive_pool(whole, (6, 7))
    # The ridge of 1e-12 beside variances of 1e-3 and more errs by a billionth.
    out = GuidedFilter(4, epsilon=1e-12)(features, guide, size)
    torch.testing.assert_close(out, whole, rtol=0, atol=1e-7)


@pytest.mark.parametrize("epsilon", [1e-4, 1.0])
def test_constant_features_stay_whatever_the_guide(epsilon):
    out = GuidedFilter(2, epsilon=epsilon)(torch.full((1, 2, 3, 5), 3.0), torch.rand(1, 3, 7, 9))
    torch.testing.assert_close(out, torch.full_like(out, 3.0))


def test_under_a_flat_guide_it_is_a_box_a_box_and_bilinear():
    features, guide = torch.randn(1, 2, 5, 7), torch.full((1, 3, 10, 14), 0.7)
    boxed = features
    for _ in range(2):
        boxed = avg_pool2d(boxed, 3, 1, 1, count_include_pad=False)
    expected = interpolate(boxed, (10, 14), mode="bilinear")
    torch.testing.assert_close(GuidedFilter(2)(features, guide), expected)


def test_guides_whose_square_would_fill_the_memory_are_refused():
    with pytest.raises(
        ValueError, match=r"guide_channels must be 1 to 16 for guided_filter, .*, got 17"
    ):
        GuidedFilter(4, guide_channels=17)
