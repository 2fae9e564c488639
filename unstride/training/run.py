"""What the runs of all recipes have: a trainer that goes on, and a folder of what came of it."""

import json
import logging
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.json import (
    json_default,
    nan_to_none,
)
from unstride.training.callbacks import (
    BatchNormSync,
    BestCheckpoint,
    MonitorMode,
    PeriodicCheckpoint,
    StepProgressBar,
)
from unstride.training.learner import Learner
from unstride.training.run_card import (
    git_commit,
    save_upsampler,
)

DEFAULT_SAVE_EVERY = 20  # between two checkpoints
CHECKPOINT_FILE, BEST_FILE, RUN_OPTIONS_FILE = "last.ckpt", "best.ckpt", "begun.json"
CHANGEABLE_OPTIONS = {  # may change on the way
    "out", "data", "bsds", "coco", "cache", "device", "save_every", "check_every", "limit",
}  # fmt: skip
IGNORED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty", r"Found \d+ module\(s\) in eval mode",
    "'set_vital' is deprecated", r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)  # fmt: skip

FILTERED_LOGGERS = ("utilities.rank_zero", "trainer.connectors.checkpoint_connector")


class Run:
    """A run of a recipe in a folder, which goes on where it was stopped.

    Args:
        out: the folder; made if need be.
        options: the recipe's, for the card.
        seed: of everything random, which is set here.
        devices: how many; several share the steps, each with photographs of its own.
        save_every: steps between two checkpoints.
        better: a measure, and whether its "max" or "min" is the best.
        patience: measurements without a better one after which training stops.
        trainer: of Lightning's trainer, besides what is the same for all.
    """

    def __init__(
        self,
        out: Path,
        options: dict[str, Any],
        *,
        seed: int,
        devices: int,
        save_every: int | None = None,
        better: tuple[str, MonitorMode] | None = None,
        patience: int | None = None,
        **trainer: Any,
    ):
        self.out, self.options, self.patience = out, options, patience
        self.commit, self.start = git_commit(), time.time()
        out.mkdir(parents=True, exist_ok=True)
        pl.seed_everything(seed, verbose=False)
        for talker in FILTERED_LOGGERS:
            logging.getLogger(f"pytorch_lightning.{talker}").addFilter(is_useful_record)
        for alarm in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", alarm)
        saving = PeriodicCheckpoint(out / CHECKPOINT_FILE, save_every or DEFAULT_SAVE_EVERY)
        best = [BestCheckpoint(out / BEST_FILE, *better, patience)] if better and patience else []
        synced = devices > 1 and torch.cuda.is_available() and trainer.get("accelerator") != "cpu"
        # Not every parameter is in every loss: a stage with nothing to do is left out.
        several = "ddp_find_unused_parameters_true" if devices > 1 else "auto"
        usual: dict[str, Any] = {
            "logger": pl.loggers.TensorBoardLogger(out),
            "gradient_clip_val": 1.0,
        }
        with refused_options():
            self.trainer = pl.Trainer(
                devices=devices, strategy=several, plugins=[BatchNormSync()] if synced else None,
                callbacks=[StepProgressBar(), *best, saving], enable_model_summary=False,
                num_sanity_val_steps=0, **(usual | trainer),
            )  # fmt: skip
        if options:
            self._begin()

    def _begin(self) -> None:
        """Remember the options, so that the run goes on with the same.

        Raises:
            ValueError: if it was begun with others.
        """
        path = self.out / RUN_OPTIONS_FILE
        chosen = json.loads(json.dumps(self.options, default=json_default))
        chosen = {name: value for name, value in chosen.items() if name not in CHANGEABLE_OPTIONS}
        if self.checkpoint and path.exists():
            begun = json.loads(path.read_text())
            for name, value in chosen.items():
                if begun.get(name) != value:
                    raise ValueError(
                        f"{self.checkpoint}: was made with {name} {begun.get(name)}, not {value}; "
                        "choose another --out, or delete it"
                    )
        if self.trainer.is_global_zero:
            self.write_json(RUN_OPTIONS_FILE, chosen)

    @property
    def checkpoint(self) -> Path | None:
        """Where an earlier run was stopped, if there was one.

        Raises:
            ValueError: if the file is damaged.
        """
        path = self.out / CHECKPOINT_FILE
        if path.exists() and not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: damaged; delete it to begin anew")
        return path if path.exists() else None

    def fit(self, module: Learner, training: Any, checking: Any = None) -> None:
        """Train from where an earlier run was stopped.

        Args:
            module: what is trained.
            training: a loader, or a data module that has both.
            checking: a loader of what is measured.
        """
        with refused_options():
            self.trainer.fit(
                module, training, checking, ckpt_path=self.checkpoint, weights_only=True
            )

    def take_best(self, module: Learner) -> None:
        """Give the module the best weights, if they were looked for."""
        if self.patience and (path := self.out / BEST_FILE).exists():
            state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
            module.load_state_dict(state)

    def validated(self, module: Learner, loader: Any) -> dict[str, float]:
        """What `validation_step` logs, over a loader or a data module's."""
        return dict(self.trainer.validate(module, loader, verbose=False)[0])

    def finish(self, method: str, upsampler: nn.Module, channels: int, **card: Any) -> None:
        """Write the upsampler and the card, from the first process alone.

        Args:
            method: what was done.
            upsampler: what was trained.
            channels: of the features that it is for.
            card: what it should say besides.
        """
        if not self.trainer.is_global_zero:
            return
        save_upsampler(upsampler, channels, self.out)
        self.write_card(method, **card)

    def write_card(self, method: str, **card: Any) -> None:
        """Write OUT/card.json: what was done, with what, how long it took.

        Args:
            method: what was done.
            card: what it should say besides.
        """
        told = {
            "method": method,
            "options": self.options,
            "commit": self.commit,
            "seconds": round(time.time() - self.start),
            "threads": torch.get_num_threads(),
            **card,
        }
        self.write_json("card.json", told)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of the run, whole or not at all."""
        atomic_write_text(
            self.out / name, json.dumps(nan_to_none(content), indent=1, default=json_default)
        )


@contextmanager
def refused_options() -> Iterator[None]:
    """Turns Lightning's errors about options into a ValueError."""
    try:
        yield
    except MisconfigurationException as error:
        raise ValueError(str(error)) from error


def is_useful_record(record: logging.LogRecord) -> bool:
    """Whether a line of Lightning's is more than an advertisement, or true."""
    return not any(word in record.getMessage() for word in ("Tip: ", "`weights_only` was not set"))
