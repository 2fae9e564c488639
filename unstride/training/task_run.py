"""What the task recipes share: creating the network, samples, training, validation and results.

Each recipe has its own training step, metrics and data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch.utils.data import Dataset

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.shuffled import ShuffledDataset
from unstride.models.pretraining.neck_weights import load_neck_weights
from unstride.models.task_network import create_task_network, read_task, write_task
from unstride.training.callbacks import MonitorMode
from unstride.training.data_module import RunDataModule
from unstride.training.options import TaskOptions
from unstride.training.run import CHECKPOINT_FILE, Run
from unstride.training.task_learner import TaskLearner


def start_run(options: TaskOptions, monitor: tuple[str, MonitorMode]) -> Run:
    """Create the run and seeds all random numbers.

    Args:
        options: options of the recipe.
        monitor: metric that selects the best weights, and "max" or "min".
    """
    return Run(
        options, save_every=options.save_every, monitor=monitor, patience=options.patience,
        check_val_every_n_epoch=None, val_check_interval=min(options.val_every, options.steps),
        gradient_clip_val=options.max_grad_norm or None, log_every_n_steps=10,
        use_distributed_sampler=False,
    )  # fmt: skip


def create_network(
    options: TaskOptions,
    task: str,
    model: str,
    classes: Sequence[str],
    network_options: Mapping[str, Any] | None = None,
    **extra: Any,
) -> tuple[Any, dict[str, Any]]:
    """Create the network to train, and its config for `write_task`.

    Args:
        options: options of the recipe.
        task: task of the network, see `create_task_network`.
        model: name of the network.
        classes: names of the classes.
        network_options: options of the network, which `model_options` override.
        extra: further entries of the config.
    """
    config = {
        "task": task,
        "model": model,
        "backbone": options.backbone,
        "strides": list(options.strides),
        "classes": list(classes),
        "upsampler": options.upsampler,
        "options": {**(network_options or {}), **options.model_options},
        **extra,
    }
    network = create_task_network(
        config, pretrained=options.pretrained, weights=options.backbone_weights
    )
    if options.neck_weights is not None:
        load_neck_weights(network, options.neck_weights)
    return network, config


def load_trained(options: TaskOptions, task: str) -> tuple[Any, dict[str, Any]]:
    """Load the network that `fit` left in the output folder, and its config.

    Raises:
        ValueError: if the network is for another task or cannot be read.
    """
    folder = options.out / "model"
    network, config = read_task(folder)
    if config["task"] != task:
        raise ValueError(f"{folder}: expected a network for {task}, got one for {config['task']}")
    return network, config


def training_samples(
    options: TaskOptions, dataset: Dataset, transform: Callable[..., Any]
) -> ShuffledDataset:
    """Transformed items of the training split, as many as all steps on all devices need."""
    length = options.steps * options.batch_size * options.devices
    subset = evenly_spaced_subset(dataset, options.train_limit)
    return ShuffledDataset(subset, transform, length=length, seed=options.seed)


def train_network(
    run: Run,
    learner: TaskLearner,
    train_data: Dataset,
    val_data: Dataset,
    *,
    config: dict[str, Any],
    method: str,
    collate: Callable | None = None,
) -> dict[str, float]:
    """Train the network, from the last checkpoint in the folder, and returns its scores.

    Writes OUT/model, a folder to load and predict with; OUT/card.json; OUT/last.ckpt.

    Args:
        run: the run of `start_run`.
        learner: the learner to train.
        train_data: samples of `training_samples`.
        val_data: items of the validation split.
        config: config of the network, from `create_network`.
        method: what is trained, for the card.
        collate: collate function of a batch. Default: torch's.

    Raises:
        ValueError: if there are more devices than validation images.
    """
    num_images, devices = len(val_data), learner.options.devices  # type: ignore[arg-type]
    if num_images < devices:  # the others would wait for a device that has nothing to validate
        raise ValueError(
            f"devices must be at most {num_images}, one per validation image, got {devices}"
        )
    data = RunDataModule(train_data, val_data, learner.options, collate)
    run.fit(learner, data)
    run.trainer.save_checkpoint(run.out / CHECKPOINT_FILE)
    run.load_best_weights(learner)
    step, scores = learner.last_validation
    if run.patience or step != learner.global_step:
        scores = run.validate(learner, data)
    if run.trainer.is_global_zero:
        write_task(run.out / "model", config, learner.network)
        run.write_card(method, measured=scores, curve=learner.loss_curve)
    return scores


def validate_network(
    options: TaskOptions,
    learner: TaskLearner,
    val_data: Dataset,
    split: str,
    collate: Callable | None = None,
) -> dict[str, float]:
    """Return the scores of the learner's network on a split, and writes them to OUT/SPLIT.json.

    One device does it.
    """
    run = Run(replace(options, devices=1), is_recorded=False, logger=False)
    scores = run.validate(learner, RunDataModule(val_data, val_data, options, collate))
    run.write_json(f"{split}.json", scores)
    return scores
