"""DySample against the paper's positions, and samples taken one by one."""

import pytest
import torch
from torch.nn.functional import interpolate

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    bilinear_sample,
    map_of_pixels,
    num_parameters,
    pointwise_conv,
    randomised,
    source_coordinate,
    sub_pixel,
)
from unstride.upsamplers import DySample
from unstride.upsamplers.dysample import sample_at_offsets

STYLES = [
    {"style": style, "dynamic_scope": dynamic}
    for style in ("lp", "pl")
    for dynamic in (False, True)
]


def dysample_reference(up, features, size):
    """Channel (axis, group) of sub-pixel (u, v); the first axis is x, the second y."""
    s, g, (h, w) = up.scale, up.groups, features.shape[2:]

    def predicted(layer, coarse, i, j, u, v):
        if up.style == "pl":  # the features of that sub-pixel alone, to 2 g numbers
            seen = coarse[u * s + v :: s * s, i, j]
            return layer.weight[:, :, 0, 0] @ seen + layer.bias
        return pointwise_conv(coarse[:, i : i + 1, j : j + 1], layer)[u * s + v :: s * s, 0, 0]

    def pixel(coarse, y, x):
        (i, u), (j, v) = sub_pixel(y, h, size[0], s), sub_pixel(x, w, size[1], s)
        offsets = predicted(up.offset, coarse, i, j, u, v)
        scope = 0.25
        if up.scope is not None:
            scope = 0.5 / (1 + (-predicted(up.scope, coarse, i, j, u, v)).exp())
        aside = (scope * offsets).reshape(2, g)
        out = []
        for group, channels in enumerate(coarse.chunk(g)):
            here = (
                source_coordinate(y, h, size[0]) + aside[1, group],
                source_coordinate(x, w, size[1]) + aside[0, group],
            )
            out.append(bilinear_sample(channels, *here))
        return torch.cat(out)

    return torch.stack([map_of_pixels(lambda y, x, f=f: pixel(f, y, x), size) for f in features])


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize("options", STYLES, ids=str)
def test_every_pixel_is_sampled_where_the_paper_says(options, size):
    up = DySample(8, groups=2, **options)
    assert_matches_reference(up, dysample_reference, torch.randn(2, 8, 3, 5), size=size)


@pytest.mark.parametrize("size", [(6, 10), (7, 9), (2, 3)], ids=str)
@pytest.mark.parametrize("options", STYLES, ids=str)
def test_without_offsets_it_is_bilinear(options, size):
    up, features = randomised(DySample(8, **options)), torch.randn(2, 8, 3, 5).double()
    torch.nn.init.zeros_(up.offset.weight)
    torch.nn.init.zeros_(up.offset.bias)
    expected = interpolate(features, size, mode="bilinear")
    torch.testing.assert_close(up(features, size=size), expected)


def test_an_offset_of_one_pixel_shifts_the_map_along_its_own_axis():
    features = torch.randn(1, 4, 3, 5)
    for axis, dim in ((0, 3), (1, 2)):  # first x, then y
        offsets = torch.zeros(1, 1, 2, 3, 5)
        offsets[:, :, axis] = 1
        n = features.shape[dim]
        shifted = features.index_select(dim, (torch.arange(n) + 1).clamp(max=n - 1))
        torch.testing.assert_close(sample_at_offsets(features, offsets), shifted)


def test_every_group_moves_neighbouring_channels_alone():
    up, features = DySample(4, groups=2), torch.randn(1, 4, 3, 5)
    still = interpolate(features, (6, 10), mode="bilinear")
    torch.nn.init.zeros_(up.offset.weight)
    with torch.no_grad():
        up.offset.bias.view(2, 2, 4)[:, 1] = 4  # a whole pixel, by the static scope
    out = up(features)
    torch.testing.assert_close(out[:, :2], still[:, :2])
    torch.testing.assert_close(out[:, 2:, :4, :8], still[:, 2:, 2:, 2:])


def test_scopes_start_alike():
    torch.manual_seed(1)
    plain = DySample(8)
    dynamic = DySample(8, dynamic_scope=True)
    dynamic.load_state_dict(plain.state_dict(), strict=False)
    features = torch.randn(1, 8, 3, 5)
    torch.testing.assert_close(dynamic(features), plain(features))


def test_a_released_state_dict_loads_without_its_positions():
    up = DySample(8)
    state = up.state_dict() | {"init_pos": torch.zeros(1, 32, 1, 1)}
    up.load_state_dict(state)


def test_it_has_the_published_number_of_parameters():
    assert num_parameters(DySample(256)) == 8_224
    assert num_parameters(DySample(256, dynamic_scope=True)) == 2 * 8_224
    assert num_parameters(DySample(256, style="pl")) == 2 * 4 * (64 + 1)
