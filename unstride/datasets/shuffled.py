"""A shuffled walk through a data set, each step decided by the seed and its number alone."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset


class ShuffledDataset(Dataset):
    """Items of a data set, round by round in a new order each, and transformed at random.

    Nothing but the seed and the number decides what an item is, whatever process loads it; so a
    run that was stopped goes on with what it would have seen.

    Args:
        source: of photographs and labels.
        transform: called as `transform(*item)`, or `transform(item)` if that is no tuple; it may
            draw from torch's random numbers.
        length: how many items there are in all.
        seed: of the order and of what the transform draws.
    """

    def __init__(
        self,
        source: Dataset | Sequence,
        transform: Callable[..., Any],
        *,
        length: int,
        seed: int = 0,
    ):
        self.source, self.transform, self.length, self.seed = source, transform, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        count = len(self.source)  # type: ignore[arg-type]
        turn, place = divmod(index, count)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
        order = torch.randperm(count, generator=generator)
        item = self.source[int(order[place])]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + index)
            return self.transform(*item) if isinstance(item, tuple) else self.transform(item)
