"""What the recipes of task networks share: a network, samples, a run, and what it leaves.

The step that learns, what is measured and the data are each recipe's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.shuffled import ShuffledDataset
from unstride.models.task_network import create_task_network, read_task, write_task
from unstride.training.callbacks import MonitorMode
from unstride.training.options import TaskOptions
from unstride.training.run import CHECKPOINT_FILE, Run
from unstride.training.task_learner import TaskLearner


def start_run(options: TaskOptions, better: tuple[str, MonitorMode]) -> Run:
    """The run; from here on everything random is seeded.

    Args:
        options: of the recipe.
        better: by which measure weights are the best, and its "max" or "min".
    """
    return Run(
        options.out, asdict(options), seed=options.seed, accelerator=options.device,
        devices=options.devices, precision=options.precision, max_steps=options.steps,
        check_val_every_n_epoch=None, val_check_interval=min(options.check_every, options.steps),
        gradient_clip_val=options.clip or None, log_every_n_steps=10,
        save_every=options.save_every, better=better, patience=options.patience,
        use_distributed_sampler=False,
    )  # fmt: skip


def create_network(
    options: TaskOptions,
    task: str,
    model: str,
    classes: Sequence[str],
    inside: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[Any, dict[str, Any]]:
    """The network to train, and its description for `write_task`.

    Args:
        options: of the recipe.
        task: its kind, see `create_task_network`.
        model: its name.
        classes: their names.
        inside: options of the network, over which model_options go.
        more: what the description says besides.
    """
    described = {
        "task": task,
        "model": model,
        "backbone": options.backbone,
        "strides": list(options.strides),
        "classes": list(classes),
        "upsampler": options.upsampler,
        "options": {**(inside or {}), **options.model_options},
        **more,
    }
    network = create_task_network(
        described, pretrained=options.pretrained, weights=options.backbone_weights
    )
    return network, described


def load_trained(options: TaskOptions, task: str) -> tuple[Any, dict[str, Any]]:
    """The network that `fit` left in the options' folder, and its description.

    Raises:
        ValueError: if it is for another task, or cannot be read.
    """
    network, described = read_task(options.out / "model")
    if described["task"] != task:
        raise ValueError(f"{options.out / 'model'}: for {described['task']}, not for {task}")
    return network, described


def training_samples(
    options: TaskOptions, source: Dataset, transform: Callable[..., Any]
) -> ShuffledDataset:
    """As many items of the training split, transformed, as all steps of all devices take."""
    length = options.steps * options.batch_size * options.devices
    chosen = evenly_spaced_subset(source, options.train_limit)
    return ShuffledDataset(chosen, transform, length=length, seed=options.seed)


def train_network(
    run: Run, learner: TaskLearner, training: Dataset, checking: Dataset, **how: Any
) -> dict[str, float]:
    """Train, from where an earlier run in the same folder was stopped; what was measured.

    Writes OUT/model, a folder to load and predict with; OUT/card.json; OUT/last.ckpt.

    Args:
        run: of `start`.
        learner: what is trained.
        training: of `samples`.
        checking: of the validation split.
        how: `described`, for `write_task`; `collate`, of a batch; `method`, for the card.

    Raises:
        ValueError: if there are more devices than photographs to measure.
    """
    few, devices = len(checking), learner.options.devices  # type: ignore[arg-type]
    if few < devices:  # who has nothing to measure would be waited for
        raise ValueError(f"devices {devices}: there are {few} photographs to measure")
    data = TaskDataModule(training, checking, learner.options, how.get("collate"))
    run.fit(learner, data)
    run.trainer.save_checkpoint(run.out / CHECKPOINT_FILE)
    run.take_best(learner)
    step, measured = learner.latest
    if run.patience or step != learner.global_step:
        measured = run.validated(learner, data)
    if run.trainer.is_global_zero:
        write_task(run.out / "model", how["described"], learner.network)
        run.write_card(how["method"], measured=measured, curve=learner.curve)
    return measured


def validate_network(
    options: TaskOptions, learner: TaskLearner, checking: Dataset, split: str, collate: Any = None
) -> dict[str, float]:
    """What the learner's network scores on a split; OUT/SPLIT.json says it too."""
    run = Run(
        options.out, {}, seed=options.seed, accelerator=options.device, devices=1,
        precision=options.precision, logger=False,
    )  # fmt: skip
    measured = run.validated(learner, TaskDataModule(checking, checking, options, collate))
    run.write_json(f"{split}.json", measured)
    return measured


class TaskDataModule(pl.LightningDataModule):
    """Loaders of which each process takes its share, in order and nothing twice.

    Args:
        training: batches of it are loaded.
        checking: single photographs of it are loaded, which may have any size.
        options: of the recipe.
        collate: of a batch.
    """

    def __init__(self, training: Dataset, checking: Dataset, options: TaskOptions, collate: Any):
        super().__init__()
        self.training, self.checking = training, checking
        self.options, self.collate = options, collate

    def train_dataloader(self) -> StatefulDataLoader:
        """A step of one process with n times the batch is a step of n processes."""
        return self._loader(self.training, self.options.batch_size, self.options.workers)

    def val_dataloader(self) -> StatefulDataLoader:
        """One by one."""
        return self._loader(self.checking, 1, self.options.workers)

    def _loader(self, dataset: Any, batch_size: int, workers: int) -> StatefulDataLoader:
        assert self.trainer is not None
        world, rank = self.trainer.world_size, self.trainer.global_rank
        return StatefulDataLoader(
            dataset, batch_size, sampler=range(rank, len(dataset), world), num_workers=workers,
            collate_fn=self.collate,
        )  # fmt: skip
