"""A sample is decided by the seed and its number, and every round shows everything once."""

import pytest
import torch

from unstride.datasets.random_crops import RandomCrops
from unstride.datasets.segment_crops import SegmentCrops
from unstride.datasets.shuffled import ShuffledDataset

SOURCE = [(torch.full((1,), float(i)), i) for i in range(5)]


def noisy(value, number):
    return value + torch.rand(1) / 2, number


def numbers(samples, start, stop):
    return [samples[i][1] for i in range(start, stop)]


def test_a_sample_is_the_same_whatever_came_before():
    samples, again = (ShuffledDataset(SOURCE, noisy, length=20, seed=3) for _ in range(2))
    for i in range(20):
        samples[i]
    assert again[7] == samples[7]
    assert ShuffledDataset(SOURCE, noisy, length=20, seed=4)[7] != samples[7]


def test_every_round_shows_everything_once_in_an_order_of_its_own():
    samples = ShuffledDataset(SOURCE, noisy, length=20, seed=0)
    rounds = [numbers(samples, 5 * i, 5 * i + 5) for i in range(4)]
    assert all(sorted(one) == list(range(5)) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert len(samples) == 20


def test_the_same_photograph_is_seen_otherwise_in_the_next_round():
    samples = ShuffledDataset(SOURCE, noisy, length=10, seed=0)
    first, second = numbers(samples, 0, 5), numbers(samples, 5, 10)
    assert samples[first.index(2)][0] != samples[5 + second.index(2)][0]


def test_random_numbers_of_the_caller_go_on_undisturbed():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    ShuffledDataset(SOURCE, noisy, length=10, seed=0)[3]
    assert torch.equal(torch.rand(2), expected)


EMPTY = {
    "shuffled": lambda length: ShuffledDataset([], lambda item: item, length=length),
    "random crops": lambda length: RandomCrops([], 8, length=length, seed=0),
    "segment crops": lambda length: SegmentCrops([], 8, length=length, seed=0),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_nothing_can_be_drawn_from_nothing(kind):
    with pytest.raises(ValueError, match=r"must (have|be) at least one (image|item), got none"):
        EMPTY[kind](1)
    assert len(EMPTY[kind](0)) == 0
