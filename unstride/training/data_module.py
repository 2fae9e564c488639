"""Loads the data of a run; each process gets its share."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.training.options import RunOptions


class RunDataModule(pl.LightningDataModule):
    """Loaders that give each process its share of the items, in order and without repetition.

    Args:
        train_data: data set that is loaded in batches, as many items as all steps need.
        val_data: data set that is loaded image by image, since images may differ in size.
        options: options of the recipe.
        collate: collate function of a batch. Default: torch's.
        batches_per_step: batches that a training step takes at once.
    """

    def __init__(
        self,
        train_data: Dataset,
        val_data: Dataset,
        options: RunOptions,
        collate: Callable | None = None,
        batches_per_step: int = 1,
    ):
        super().__init__()
        self.train_data, self.val_data = train_data, val_data
        self.options, self.collate = options, collate
        self.batch_size = options.batch_size * batches_per_step

    def train_dataloader(self) -> StatefulDataLoader:
        """Batches: one process with n times the batch size takes the same steps as n processes."""
        return self._loader(self.train_data, self.batch_size)

    def val_dataloader(self) -> StatefulDataLoader:
        """Single images."""
        return self._loader(self.val_data, 1)

    def _loader(self, dataset: Any, batch_size: int) -> StatefulDataLoader:
        assert self.trainer is not None
        world, rank = self.trainer.world_size, self.trainer.global_rank
        return StatefulDataLoader(
            dataset, batch_size, sampler=range(rank, len(dataset), world),
            num_workers=self.options.workers, collate_fn=self.collate,
        )  # fmt: skip
