"""Runs of all recipes: a Lightning trainer that resumes, and a folder with the results."""

import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from unstride.formats.atomic_write import atomic_write_text, remove_leftovers
from unstride.formats.errors import first_line, naming_file
from unstride.formats.json import json_default, nan_to_none, read_json
from unstride.training.callbacks import (
    AtomicCheckpointIO,
    BatchNormSync,
    BestCheckpoint,
    MonitorMode,
    PeriodicCheckpoint,
    StepProgressBar,
)
from unstride.training.learner import Learner
from unstride.training.log_filters import filter_lightning_messages
from unstride.training.options import RunOptions
from unstride.training.regenerate import RegenerationLog
from unstride.training.run_outputs import git_commit, save_upsampler

DEFAULT_SAVE_EVERY = 20  # steps between two checkpoints
CHECKPOINT_FILE, BEST_FILE, RUN_OPTIONS_FILE = "last.ckpt", "best.ckpt", "begun.json"
CHANGEABLE_OPTIONS = {  # options that may differ when a run is resumed
    "out", "data", "bsds", "coco", "cache", "device", "save_every", "val_every", "val_limit",
}  # fmt: skip


class Run:
    """A run of a recipe in its output folder. It resumes from the folder's last checkpoint.

    The constructor creates the folder, seeds all random numbers and filters Lightning's messages.
    Several devices share the steps; each gets images of its own.

    Args:
        options: options of the recipe. They are recorded in OUT/begun.json and in the card.
        save_every: steps between two checkpoints. Default: 20.
        monitor: metric that selects the best weights, and whether its "max" or "min" is best.
        patience: number of validations without improvement after which training stops. Default:
            train all steps.
        is_recorded: record the options, and refuse to resume with others.
        callbacks: further callbacks, called before checkpoints are written.
        trainer_options: further arguments of Lightning's Trainer.

    Raises:
        ValueError: if Lightning refuses an option, or the folder holds a run with other options.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        save_every: int | None = None,
        monitor: tuple[str, MonitorMode] | None = None,
        patience: int | None = None,
        is_recorded: bool = True,
        callbacks: Sequence[pl.Callback] = (),
        **trainer_options: Any,
    ):
        self.out, self.options, self.patience = options.out, dict(vars(options)), patience
        self.git_commit, self.start_time = git_commit(), time.time()
        self.regeneration_report: dict[str, Any] = {}
        self.out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.out)
        pl.seed_everything(options.seed, verbose=False)
        filter_lightning_messages()
        all_callbacks = [StepProgressBar(), *callbacks]
        if monitor and patience:
            all_callbacks.append(BestCheckpoint(self.out / BEST_FILE, *monitor, patience))
        all_callbacks.append(
            PeriodicCheckpoint(self.out / CHECKPOINT_FILE, save_every or DEFAULT_SAVE_EVERY)
        )
        if options.regenerate is not None:
            all_callbacks.append(RegenerationLog(self.out / "regeneration.png"))
        self.trainer = create_trainer(options, all_callbacks, **trainer_options)
        if is_recorded:
            self._record_options()

    def _record_options(self) -> None:
        """Write OUT/begun.json.

        Raises:
            ValueError: if the folder has a checkpoint of a run with other options.
        """
        path = self.out / RUN_OPTIONS_FILE
        options = json.loads(json.dumps(self.options, default=json_default))
        options = {k: v for k, v in options.items() if k not in CHANGEABLE_OPTIONS}
        if self.resume_path and path.exists():
            recorded = read_json(path)
            for name, value in options.items():
                if recorded.get(name) != value:
                    raise ValueError(
                        f"{self.resume_path}: was created with {name} {recorded.get(name)}, got "
                        f"{value}; choose another --out or delete the file"
                    )
        if self.trainer.is_global_zero:
            self.write_json(RUN_OPTIONS_FILE, options)

    @property
    def resume_path(self) -> Path | None:
        """The checkpoint of an earlier run in the folder, or None.

        Raises:
            ValueError: if the file is damaged.
        """
        path = self.out / CHECKPOINT_FILE
        if path.exists() and not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: damaged checkpoint; delete it to start over")
        return path if path.exists() else None

    def fit(self, learner: Learner, train_data: Any, val_data: Any = None) -> None:
        """Train, from the last checkpoint if there is one.

        Args:
            learner: the learner to train.
            train_data: a loader, or a data module with both loaders.
            val_data: a loader for validation.
        """
        options = self.options
        learner.start_regeneration(options["regenerate"], options["steps"], options["seed"])
        with misconfiguration_as_value_error():
            self.trainer.fit(
                learner, train_data, val_data, ckpt_path=self.resume_path, weights_only=True
            )
        self.regeneration_report = learner.regeneration_report()

    def load_best_weights(self, learner: Learner) -> None:
        """Load the best weights into the learner, if the run keeps them."""
        if self.patience and (path := self.out / BEST_FILE).exists():
            with naming_file(path, "damaged"):
                state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
            learner.load_state_dict(state)

    def validate(self, learner: Learner, val_data: Any) -> dict[str, float]:
        """Return what `validation_step` logs, over a loader or the loader of a data module."""
        return dict(self.trainer.validate(learner, val_data, verbose=False)[0])

    def write_results(
        self, method: str, upsampler: nn.Module, channels: int, **card_entries: Any
    ) -> None:
        """Write the trained upsampler and the card, from the first process only.

        Args:
            method: what was done, for the card.
            upsampler: the trained upsampler.
            channels: number of channels of the features that it is for.
            card_entries: further entries of the card.
        """
        if not self.trainer.is_global_zero:
            return
        save_upsampler(upsampler, channels, self.out)
        self.write_card(method, **card_entries)

    def write_card(self, method: str, **entries: Any) -> None:
        """Write OUT/card.json: what was done, with which options, and how long it took.

        Args:
            method: what was done.
            entries: further entries.
        """
        card = {
            "method": method,
            "options": self.options,
            "commit": self.git_commit,
            "seconds": round(time.time() - self.start_time),
            "threads": torch.get_num_threads(),
            **self.regeneration_report,
            **entries,
        }
        self.write_json("card.json", card)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file into the folder, whole or not at all."""
        atomic_write_text(
            self.out / name, json.dumps(nan_to_none(content), indent=1, default=json_default)
        )


def create_trainer(
    options: RunOptions, callbacks: list[pl.Callback], **trainer_options: Any
) -> pl.Trainer:
    """Create Lightning's trainer with the settings that all recipes share.

    Args:
        options: options of the recipe.
        callbacks: callbacks of the trainer.
        trainer_options: further arguments of the trainer, which override the shared ones.

    Raises:
        ValueError: if Lightning refuses an option.
    """
    uses_gpus = torch.cuda.is_available() and options.device != "cpu"
    batch_norm_sync = [BatchNormSync()] if options.devices > 1 and uses_gpus else []
    settings: dict[str, Any] = {
        "accelerator": options.device,
        "devices": options.devices,
        "precision": options.precision,
        "max_steps": options.steps,
        # Some losses do not reach every parameter: a stage with nothing to do is left out.
        "strategy": "ddp_find_unused_parameters_true" if options.devices > 1 else "auto",
        "plugins": [AtomicCheckpointIO(), *batch_norm_sync],
        "callbacks": callbacks,
        "logger": pl.loggers.TensorBoardLogger(options.out),
        "gradient_clip_val": 1.0,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    with misconfiguration_as_value_error():
        return pl.Trainer(**(settings | trainer_options))


@contextmanager
def misconfiguration_as_value_error() -> Iterator[None]:
    """Turn Lightning's errors about options into a ValueError."""
    try:
        yield
    except MisconfigurationException as error:
        raise ValueError(first_line(error)) from error
