"""Partial convolutions, and masks that go through an operator's kernels."""

from itertools import product

import pytest
import torch
from torch.nn.functional import conv2d

from unstride.models.inpainting.masked_upsample import upsample_masked
from unstride.models.inpainting.partial_conv import PartialConv2d
from unstride.upsamplers.by_name import create_upsampler


@pytest.mark.parametrize(
    ("stride", "dilation", "planes"), [(1, 1, 1), (2, 1, 4), (1, 2, 4)], ids=str
)
def test_it_is_the_literal_sum_over_known_taps(stride, dilation, planes):
    layer = PartialConv2d(4, 3, 3, stride, dilation, dilation).double()
    maps = torch.randn(1, 4, 7, 6, dtype=torch.float64)
    known = torch.rand(1, planes, 7, 6) > 0.6
    known[:, :, 3:, 3:] = False
    actual, filled = layer(maps, known)
    each = known.expand(1, 4, 7, 6)
    for y, x in product(*map(range, actual.shape[2:])):
        total, count = torch.zeros(3, dtype=torch.float64), 0
        for dy, dx, c in product(range(3), range(3), range(4)):
            row = y * stride + (dy - 1) * dilation
            column = x * stride + (dx - 1) * dilation
            if 0 <= row < 7 and 0 <= column < 6 and each[0, c, row, column]:
                total += layer.weight[:, c, dy, dx] * maps[0, c, row, column]
                count += 1
        expected = total * 36 / count + layer.bias if count else torch.zeros(3).double()
        torch.testing.assert_close(actual[0, :, y, x], expected)
        assert filled[0, 0, y, x] == (count > 0)


def test_where_all_is_known_it_is_a_convolution_inside():
    layer = PartialConv2d(3, 5, 3, padding=1)
    maps, known = torch.randn(2, 3, 8, 9), torch.ones(2, 1, 8, 9, dtype=torch.bool)
    actual, filled = layer(maps, known)
    plain = conv2d(maps, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(actual[:, :, 1:-1, 1:-1], plain[:, :, 1:-1, 1:-1])
    assert filled.all()
    assert filled.shape == (2, 1, 8, 9)


def test_what_is_unknown_may_be_anything():
    layer = PartialConv2d(2, 2, 3, padding=1)
    maps, known = torch.randn(1, 2, 6, 6), torch.ones(1, 1, 6, 6, dtype=torch.bool)
    known[:, :, 2:4] = False
    other = torch.where(known, maps, torch.nan)
    assert torch.equal(layer(maps, known)[0], layer(other, known)[0])


def masked(name="carafe", **options):
    features, known = torch.randn(2, 4, 6, 7), torch.ones(2, 1, 6, 7)
    return features, known, create_upsampler(name, 4, **options)


def test_where_all_is_known_the_operator_is_the_same():
    features, known, up = masked(start="bilinear")
    actual, mask = upsample_masked(features, known, up, (12, 14))
    torch.testing.assert_close(actual, up(features))
    assert mask.eq(1).all()


def test_a_constant_stays_constant_beside_a_hole_and_beyond_it_nothing_is_known():
    features, known, up = masked(start="published")
    features[:] = 2.0
    known[:, :, :, 3:] = 0
    actual, mask = upsample_masked(features, known, up, (12, 14))
    assert mask[:, :, :, :10].eq(1).all()
    assert mask[:, :, :, 10:].eq(0).all()
    torch.testing.assert_close(actual, 2 * mask.expand_as(actual))


def test_the_literal_rule_is_the_sum_over_known_taps():
    features, known, up = masked(start="published")
    known[:, :, 2:4, 2:5] = 0
    actual, share = upsample_masked(features, known, up, (12, 14), rule="soft")
    weights = up.predict_weights(features * known, None, (12, 14))
    from unstride.ops import reassemble_reference

    torch.testing.assert_close(actual, reassemble_reference(features * known, weights))
    torch.testing.assert_close(share, reassemble_reference(known, weights))
    assert 0 < share[0, 0, 5, 6] < 1


@pytest.mark.parametrize("rule", ["known", "soft"])
def test_values_of_unknown_places_do_not_matter(rule):
    features, known, up = masked()
    known[:, :, 1:3, 1:3] = 0
    other = torch.where(known > 0, features, 7.0)
    results = [upsample_masked(f, known, up, (12, 14), rule=rule)[0] for f in (features, other)]
    assert torch.equal(*results)


def test_the_weights_learn_from_the_average_too():
    features, known, up = masked(start="published")
    known[:, :, 1:3, 1:3] = 0
    actual, _ = upsample_masked(features, known, up, (12, 14))
    actual.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in up.parameters())


def test_other_operators_resize_the_mask_by_nearest_neighbour():
    features, known, up = masked("dysample")
    known[:, :, 2:, 3:] = 0
    actual, mask = upsample_masked(features, known, up, (12, 14))
    torch.testing.assert_close(actual, up(features * known))
    assert torch.equal(mask, known.repeat_interleave(2, 2).repeat_interleave(2, 3))
