"""Pyramid pooling: means of parts of the map at every pixel, in one step or in two."""

from functools import partial

import pytest
import torch
from torch.nn.functional import interpolate

from tests.necks.factories import FACTORIES, parameters_without_gradient, randomise
from unstride.necks.pyramid_pooling import PyramidPooling
from unstride.upsamplers import (
    Nearest,
    Upsampler,
)
from unstride.upsamplers.by_name import create_upsampler


def input_of_mix(pooling, features):
    """The input of the last convolution."""
    inputs = []
    pooling.mix.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    pooling(features)
    return inputs[0]


def means(features, size):
    """The mean of each part, part by part; parts overlap where they do not divide the map."""
    h, w = features.shape[2:]
    out = torch.empty(*features.shape[:2], size, size)
    for i in range(size):
        for j in range(size):
            rows = slice(i * h // size, -(-(i + 1) * h // size))
            columns = slice(j * w // size, -(-(j + 1) * w // size))
            out[:, :, i, j] = features[:, :, rows, columns].mean((2, 3))
    return out


@pytest.mark.parametrize("grid", [(12, 18), (7, 13), (5, 6)])
def test_in_one_step_it_is_the_means_enlarged_bilinearly(grid):
    pooling = randomise(PyramidPooling(4, 3)).eval()
    features = torch.randn(2, 4, *grid)
    concatenated = input_of_mix(pooling, features)
    assert concatenated.shape == (2, 4 + 4 * 3, *grid)
    assert torch.equal(concatenated[:, :4], features)
    for i, size in enumerate((1, 2, 3, 6)):
        expected = interpolate(pooling.narrow[i](means(features, size)), grid, mode="bilinear")
        torch.testing.assert_close(concatenated[:, 4 + 3 * i : 7 + 3 * i], expected)


def test_the_mean_of_all_is_the_same_everywhere():
    features = torch.randn(1, 4, 9, 11)
    concatenated = input_of_mix(randomise(PyramidPooling(4, 3, Nearest)).eval(), features)
    torch.testing.assert_close(
        concatenated[:, 4:7], concatenated[:, 4:7, :1, :1].expand(-1, -1, 9, 11)
    )


class RecordingUpsampler(Upsampler):
    """Records its arguments."""

    guide_channels = None

    def __init__(self, channels, scale=2):
        super().__init__(channels, scale)
        self.calls = []

    def forward(self, features, guide=None, size=None):
        self.calls.append((tuple(features.shape), guide, size))
        return features.new_zeros(*features.shape[:2], *size)


@pytest.mark.parametrize(("grid", "half"), [((12, 18), (6, 9)), ((7, 13), (4, 7))])
def test_in_two_steps_the_operator_gets_half_the_grid(grid, half):
    pooling = PyramidPooling(4, 3, RecordingUpsampler, pool_sizes=(1, 3)).eval()
    pooling(torch.randn(2, 4, *grid))
    for up in pooling.upsamplers:
        assert up.scale == 2
        assert up.calls == [((2, 3, *half), None, grid)]


def test_the_first_step_is_bilinear():
    pooling = randomise(PyramidPooling(4, 3, Nearest, pool_sizes=(2,))).eval()
    features = torch.randn(1, 4, 12, 16)
    half = interpolate(pooling.narrow[0](means(features, 2)), (6, 8), mode="bilinear")
    expected = half.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(input_of_mix(pooling, features)[:, 4:], expected)


@pytest.mark.parametrize("name", FACTORIES)
def test_any_operator_and_every_parameter_learns(name):
    pooling = PyramidPooling(8, 8, FACTORIES[name], pool_sizes=(1, 3))
    pooling(torch.randn(2, 8, 7, 9), torch.rand(2, 3, 28, 36)).square().sum().backward()
    assert parameters_without_gradient(pooling) == []


def test_the_guide_is_the_features():
    pooling = PyramidPooling(6, 4, partial(create_upsampler, "sapa"), pool_sizes=(2,))
    assert (pooling.upsamplers[0].channels, pooling.upsamplers[0].guide_channels) == (4, 6)


def test_one_image_has_no_spread_to_train_on():
    pooling = PyramidPooling(4, 3)
    with pytest.raises(ValueError, match=r"mean of one image; use a batch_size of 2 or more"):
        pooling(torch.randn(1, 4, 12, 12))
    assert pooling.eval()(torch.randn(1, 4, 12, 12)).shape == (1, 3, 12, 12)
    assert PyramidPooling(4, 3, pool_sizes=(2,))(torch.randn(1, 4, 12, 12)).shape == (1, 3, 12, 12)
