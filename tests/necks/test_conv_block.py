"""Group norm, in the block of necks and heads."""

import pytest
import torch

from unstride.necks.conv_block import group_norm


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(1, 1), (6, 2), (7, 1), (16, 8), (32, 16), (48, 16), (64, 32), (256, 32)],
)
def test_a_group_has_two_channels_at_least(channels, groups):
    norm = group_norm(channels)
    assert norm.num_groups == groups
    if channels > 1:
        assert norm(torch.rand(1, channels, 1, 1)).isfinite().all()  # one cell is enough
