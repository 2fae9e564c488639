"""Random numbers from a seed leave those of the caller alone."""

import pytest
import torch

from unstride.random_numbers import seeded


def test_they_are_those_of_manual_seed_and_the_callers_go_on():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = torch.rand(2), torch.rand(2)

    torch.manual_seed(1)
    before = torch.rand(2)
    with seeded(5):
        within = torch.rand(3)
    assert torch.equal(within, expected)
    assert torch.equal(torch.stack([before, torch.rand(2)]), torch.stack([first, second]))


def test_a_failure_within_restores_them_too():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with pytest.raises(KeyError), seeded(5):
        raise KeyError
    assert torch.equal(torch.rand(2), expected)
