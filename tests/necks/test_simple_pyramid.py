"""Levels out of one map: grids, channels, what is untouched, and whom the operator can ask."""

from functools import partial

import pytest
import torch
from torch.nn.functional import max_pool2d

from unstride.necks.simple_pyramid import SimpleFeaturePyramid
from unstride.upsamplers import Nearest
from unstride.upsamplers.by_name import create_upsampler

FEATURES = torch.rand(2, 16, 4, 6, generator=torch.Generator().manual_seed(0))


def test_each_doubling_halves_the_channels():
    pyramid = SimpleFeaturePyramid(16, 16, strides=(32, 4, 8, 16))
    levels = pyramid(FEATURES)
    assert {s: tuple(level.shape[1:]) for s, level in levels.items()} == {
        4: (4, 16, 24),
        8: (8, 8, 12),
        16: (16, 4, 6),
        32: (16, 2, 3),
    }
    assert list(levels) == list(pyramid.strides) == [4, 8, 16, 32]
    assert pyramid.channels == {4: 4, 8: 8, 16: 16, 32: 16}


def test_the_map_itself_and_its_maxima_go_through():
    levels = SimpleFeaturePyramid(16, 8, strides=(8, 16, 32))(FEATURES[..., :4])
    assert torch.equal(levels[8], FEATURES[..., :4])
    assert torch.equal(levels[32], max_pool2d(FEATURES[..., :4], 4))


def test_finer_levels_are_as_written():
    pyramid = SimpleFeaturePyramid(16, 16, strides=(4,), upsampler=Nearest)
    first, second = pyramid.doublings["4"]
    inner = first.narrow(FEATURES).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert first.norm is None
    inner = (inner - inner.mean(1, keepdim=True)) / (inner.var(1, False, True) + 1e-5).sqrt()
    outer = second.narrow(torch.nn.functional.gelu(inner))
    outer = outer.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(pyramid(FEATURES)[4], outer, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter():
    pyramid = SimpleFeaturePyramid(
        16, 16, strides=(4, 8), upsampler=partial(create_upsampler, "carafe")
    )
    sum(level.square().sum() for level in pyramid(FEATURES).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pyramid.parameters())


@pytest.mark.parametrize("name", ["joint_bilateral", "sapa", "fade", "index"])
def test_the_image_is_the_guide(name):
    upsampler = partial(create_upsampler, name)
    pyramid = SimpleFeaturePyramid(16, 16, strides=(4, 8), upsampler=upsampler)
    image = torch.rand(2, 3, 64, 96, requires_grad=True)
    pyramid(FEATURES, image)[4].square().sum().backward()
    assert image.grad.abs().sum() > 0


def test_levels_that_nobody_reads_are_not_made():
    pyramid = SimpleFeaturePyramid(16, 16, strides=(4, 8, 16, 32))
    pyramid.drop_finer_levels(16)
    assert pyramid.strides == tuple(pyramid.channels) == tuple(pyramid(FEATURES)) == (16, 32)
    assert not list(pyramid.parameters())


@pytest.mark.parametrize(
    ("channels", "stride", "strides", "message"),
    [
        (
            16,
            14,
            (4,),
            "a map of stride 14 with 16 channels must be among 7, 14, 28 and so on, got 4",
        ),
        (16, 16, (8, 24), "must be among 1, 2, 4, 8, 16, 32 and so on, got 24"),
        (4, 16, (2, 4), "with 4 channels must be among 4, 8, 16, 32 .*, got 2"),
        (16, 16, (0, 8), "got 0"),
        (16, 16, (-4,), "got -4"),
        (16, 16, (), "strides must contain at least one"),
    ],
)
def test_strides_that_cannot_be_made_are_refused(channels, stride, strides, message):
    with pytest.raises(ValueError, match=message):
        SimpleFeaturePyramid(channels, stride, strides=strides)
