"""Keys see each place at its place, at any size; the stack compares what they say."""

import pytest
import torch

from unstride.upsamplers.bilateral_stack import BilateralStack
from unstride.upsamplers.pixel_keys import ChannelStandardiser, PixelKeys


@pytest.mark.parametrize("size", [(64, 96), (50, 37), (16, 16), (3, 5)])
def test_a_key_for_each_four_pixels_of_the_image_made_whole(size):
    keys = PixelKeys(6)(torch.rand(2, 3, *size))
    assert keys.shape == (2, 6, *(-(-n // 16) * 4 for n in size))


def test_keys_are_those_of_their_place():
    """What is changed in a corner leaves the keys of the opposite corner alone."""
    keys, image = PixelKeys(4).eval(), torch.rand(1, 3, 640, 640)
    other = image.clone()
    other[..., :8, :8] = 1 - other[..., :8, :8]
    changed = (keys(image) - keys(other)).abs().sum(1)[0] > 1e-6
    rows, columns = changed.nonzero().T
    assert changed[0, 0]
    assert max(rows.max(), columns.max()) < 100
    assert min(rows.min(), columns.min()) == 0


def test_maps_are_standardised():
    layer = ChannelStandardiser(3)
    maps = torch.randn(2, 3, 4, 5) * 3 + 1
    layer.mean.copy_(maps.mean((0, 2, 3))[:, None, None])
    layer.std.copy_(maps.std((0, 2, 3))[:, None, None])
    out = layer(maps)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(out.std((0, 2, 3)), torch.ones(3))


def test_the_smoothing_weighs_by_colours_and_keys():
    """A softmax of -(sharpness * distance)^2 / 2 and the distance in space, tap by tap."""
    stage = BilateralStack(1, key_channels=2).smooth.double()
    guide, keys = torch.rand(1, 3, 6, 7).double(), torch.randn(1, 2, 6, 7).double()
    weights = stage.predict_weights((6, 7), guide, keys)[0, 0]
    descriptors = torch.cat([guide / stage.log_sigma_range.exp(), keys], 1)[0]
    y, x, r = 2, 4, stage.kernel_size // 2
    expected = torch.zeros(6, 7).double()
    for i in range(6):
        for j in range(7):
            distance = (descriptors[:, y, x] - descriptors[:, i, j]).square().sum()
            near = ((y - i) ** 2 + (x - j) ** 2) / stage.log_sigma_space.exp() ** 2
            if max(abs(y - i), abs(x - j)) <= r:
                expected[i, j] = torch.exp(-(distance * stage.sharpness**2 + near) / 2)
    actual = torch.zeros(6, 7).double()
    for i in range(6):
        for j in range(7):
            actual[i, j] = weights[i - y + r, j - x + r, y, x]
    torch.testing.assert_close(actual, expected / expected.sum())


def test_without_keys_there_is_no_network_and_rounds_repeat():
    assert BilateralStack(3, key_channels=0).keys is None
    features, guide = torch.randn(1, 3, 3, 4), torch.rand(1, 3, 96, 128)
    one, two = (BilateralStack(3, key_channels=0, rounds=n).eval() for n in (1, 2))
    assert (one(features, guide) - two(features, guide)).abs().max() > 1e-3


@pytest.mark.parametrize(("stride", "middle"), [(32, 8), (16, 4), (14, 4), (4, 1), (2, 1)])
def test_a_pixel_of_the_middle_grid_has_about_four_of_the_guide(stride, middle):
    stack, guide_size = BilateralStack(1, key_channels=0), (5 * stride, 6 * stride)
    assert stack.middle_grid((5, 6), (500, 600), guide_size) == (5 * middle, 6 * middle)
    assert stack.middle_grid((5, 6), (7, 600), guide_size) == (min(5 * middle, 7), 6 * middle)
    fixed = BilateralStack(1, middle=3, key_channels=0)
    assert fixed.middle_grid((5, 6), (99, 99), guide_size) == (15, 18)
