"""Average pooling in exported graphs is torch's adaptive pooling."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from unstride.ops import average_pool

SIZES = [(5, 7), (3, 3), (2, 7), (1, 1), (10, 14), (20, 28), (13, 5)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_exported_averages_are_those_of_adaptive_pooling(size, monkeypatch):
    maps = torch.randn(2, 3, 20, 28, dtype=torch.float64)
    expected = adaptive_avg_pool2d(maps, size)
    assert torch.equal(average_pool.average_to_size(maps, size), expected)
    monkeypatch.setattr(average_pool, "standard_operators_only", lambda: True)
    monkeypatch.setattr(average_pool, "adaptive_avg_pool2d", None)
    torch.testing.assert_close(average_pool.average_to_size(maps, size), expected)


def test_a_map_is_averaged_onto_a_finer_grid(monkeypatch):
    monkeypatch.setattr(average_pool, "standard_operators_only", lambda: True)
    maps = torch.randn(1, 2, 3, 4)
    actual = average_pool.average_to_size(maps, (5, 4))
    torch.testing.assert_close(actual, adaptive_avg_pool2d(maps, (5, 4)))
