"""The semantic branch: each level climbs to the finest grid, one stage an octave, and is added."""

import pytest
import torch

from tests.necks.factories import FACTORIES, CustomUpsampler, parameters_without_gradient, randomise
from unstride.heads.semantic_branch import SemanticBranch
from unstride.upsamplers import Nearest

STRIDES = (4, 8, 16)


def levels_of(channels, less=0):
    return {s: torch.randn(2, channels, 48 // s - less, 64 // s - less) for s in STRIDES}


def test_a_stage_for_each_octave():
    branch = SemanticBranch((16, 4, 8, 32), 6, 4)
    assert [len(chain) for chain in branch.chains] == [1, 2, 3]
    for chain in branch.chains:
        assert [stage.up.scale for stage in chain] == [2] * len(chain)
        assert [stage.block[0].in_channels for stage in chain] == [6, 4, 4][: len(chain)]
    assert isinstance(branch.finest[1], torch.nn.GroupNorm)
    assert SemanticBranch(STRIDES).finest[1].num_groups == 32


def test_it_is_the_sum_of_the_chains():
    branch, levels = randomise(SemanticBranch(STRIDES, 6, 4, upsampler=Nearest)), levels_of(6)

    def twice(maps):
        return maps.repeat_interleave(2, 2).repeat_interleave(2, 3)

    (a,), (b, c) = branch.chains
    expected = branch.finest(levels[4]) + twice(a.block(levels[8]))
    expected = expected + twice(c.block(twice(b.block(levels[16]))))
    torch.testing.assert_close(branch(levels), expected)


def test_each_stage_is_guided_by_the_next_finer_level():
    branch, levels = (
        randomise(SemanticBranch(STRIDES, 6, 4, upsampler=CustomUpsampler)),
        levels_of(6),
    )
    b, c = branch.chains[1]
    assert (b.up.channels, b.up.guide_channels) == (4, 6)
    deepest = b.up(b.block(levels[16]), levels[8], (6, 8))
    expected = branch.finest(levels[4]) + branch.chains[0][0](levels[8], levels[4])
    expected = expected + c.up(c.block(deepest), levels[4], (12, 16))
    torch.testing.assert_close(branch(levels), expected)


@pytest.mark.parametrize("name", FACTORIES)
def test_any_operator_and_every_parameter_learns(name):
    branch = SemanticBranch(STRIDES, 8, 8, upsampler=FACTORIES[name])
    out = branch(levels_of(8, less=1), torch.rand(2, 3, 48, 64))
    assert out.shape == (2, 8, 11, 15)
    out.square().sum().backward()
    assert parameters_without_gradient(branch) == []
