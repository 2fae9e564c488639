"""Fusion: levels side by side on the finest grid, in one step each or from level to level."""

import pytest
import torch
from torch.nn.functional import interpolate

from tests.necks.factories import FACTORIES, CustomUpsampler, parameters_without_gradient
from unstride.necks.level_fusion import LevelFusion
from unstride.upsamplers import Nearest

CHANNELS = {4: 2, 8: 3, 16: 5}


def levels_of(channels=CHANNELS, less=0):
    return {
        stride: torch.randn(2, c, 48 // stride - less, 80 // stride - less, requires_grad=True)
        for stride, c in channels.items()
    }


def test_by_default_each_goes_to_the_finest_in_one_bilinear_step():
    levels = levels_of()
    fusion = LevelFusion(CHANNELS)
    fused = fusion(levels)
    assert fused.shape == (2, fusion.out_channels, 12, 20)
    parts = fused.split([2, 3, 5], 1)
    assert torch.equal(parts[0], levels[4])
    assert torch.equal(parts[1], interpolate(levels[8], (12, 20), mode="bilinear"))
    assert torch.equal(parts[2], interpolate(levels[16], (12, 20), mode="bilinear"))


@pytest.mark.parametrize("less", [0, 1])
def test_nearest_from_level_to_level(less):
    levels = levels_of(less=less)
    size = levels[4].shape[2:]
    parts = LevelFusion(CHANNELS, Nearest)(levels).split([2, 3, 5], 1)
    twice = interpolate(levels[16], levels[8].shape[2:], mode="nearest-exact")
    assert torch.equal(parts[0], levels[4])
    assert torch.equal(parts[1], interpolate(levels[8], size, mode="nearest-exact"))
    assert torch.equal(parts[2], interpolate(twice, size, mode="nearest-exact"))


def test_one_operator_for_all_coarser_levels_together_guided_by_the_finer():
    fusion = LevelFusion(CHANNELS | {64: 7}, CustomUpsampler)
    ups = [(up.channels, up.guide_channels, up.scale) for up in fusion.upsamplers]
    assert ups == [(15, 2, 2), (12, 3, 2), (7, 5, 4)]
    levels = {4: torch.randn(2, 3, 8, 8), 8: torch.randn(2, 5, 4, 4)}
    fusion = LevelFusion({4: 3, 8: 5}, CustomUpsampler)
    expected = fusion.upsamplers[0](levels[8], levels[4], (8, 8))
    assert torch.equal(fusion(levels)[:, 3:], expected)


@pytest.mark.parametrize("name", [name for name in FACTORIES if name != "max_unpool"])
def test_any_operator_and_every_parameter_learns(name):
    channels = {4: 8, 8: 8, 16: 8}
    fusion = LevelFusion(channels, FACTORIES[name])
    levels = levels_of(channels, less=1)
    fusion(levels, torch.rand(2, 3, 24, 40)).square().sum().backward()
    assert parameters_without_gradient(fusion) == []
    assert all(maps.grad is not None for maps in levels.values())


def test_max_unpool_needs_as_many_channels_as_its_guide_and_says_so():
    with pytest.raises(ValueError, match=r"guide_channels must be the 16 channels .* got 8"):
        LevelFusion({4: 8, 8: 8, 16: 8}, FACTORIES["max_unpool"])
