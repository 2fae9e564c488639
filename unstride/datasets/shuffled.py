"""Shuffles a data set reproducibly: each item depends only on the seed and on its index."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from unstride.random_numbers import seeded

SEED_STRIDE = 1_000_003  # distance between the seeds of two runs: a prime above their usual length


def shuffled_index(index: int, count: int, *, seed: int) -> int:
    """Map an index to one of `count` items, so that each epoch visits all in a new random order.

    Args:
        index: from 0; epoch e begins at e * count.
        count: number of items.
        seed: seed of the orders.
    """
    epoch, position = divmod(index, count)
    generator = torch.Generator().manual_seed(seed * SEED_STRIDE + epoch)
    return int(torch.randperm(count, generator=generator)[position])


class ShuffledDataset(Dataset):
    """Randomly transformed items of a data set, in a new random order every epoch.

    An item depends only on the seed and on its index, whatever process loads it. So a run that is
    stopped and resumed sees what it would have seen.

    Args:
        dataset: data set of images and labels.
        transform: called as `transform(*item)` if the item is a tuple, else as `transform(item)`.
            May draw from torch's global random numbers.
        length: number of items, over all epochs.
        seed: seed of the order and of what the transform draws. Default: 0.

    Raises:
        ValueError: if the data set is empty.
    """

    def __init__(
        self,
        dataset: Dataset | Sequence,
        transform: Callable[..., Any],
        *,
        length: int,
        seed: int = 0,
    ):
        self.dataset, self.transform, self.length, self.seed = dataset, transform, length, seed
        if length and not len(dataset):  # type: ignore[arg-type]
            raise ValueError("dataset must have at least one item, got none")

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        count = len(self.dataset)  # type: ignore[arg-type]
        item = self.dataset[shuffled_index(index, count, seed=self.seed)]
        with seeded(self.seed * SEED_STRIDE + index):
            return self.transform(*item) if isinstance(item, tuple) else self.transform(item)
