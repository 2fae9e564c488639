"""What the runs of all recipes have: a trainer that goes on, and a folder of what came of it."""

import json
import logging
import subprocess
import time
import warnings
import zipfile
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from unstride.models.feature_file import save_tensors
from unstride.upsamplers.configuration import describe
from unstride.upsamplers.folder import write_folder

CHECKPOINT_STEPS = 20  # between two checkpoints
CHECKPOINT, BEST, BEGUN = "last.ckpt", "best.ckpt", "begun.json"
FREE = {"out", "data", "device", "save_every", "check_every", "limit"}  # may change on the way
FALSE_ALARMS = (
    "Checkpoint directory .* exists and is not empty", r"Found \d+ module\(s\) in eval mode",
    "'set_vital' is deprecated", r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)  # fmt: skip


class Learner(pl.LightningModule):
    """A module that keeps the curve of its loss, which goes with its checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.curve: list[list[float]] = []
        self.latest: tuple[int, dict[str, float]] = (-1, {})  # step and scores of a measurement

    def noted(self, loss: Tensor) -> Tensor:
        """The loss, which the progress bar, the log and the curve show.

        Raises:
            ValueError: if it is no number any more.
        """
        value = loss.item()
        if not isfinite(value):
            raise ValueError(f"loss is {value} at step {self.global_step}: lower learning_rate")
        self.log("loss", loss, prog_bar=True)
        self.curve.append([self.global_step, round(value, 4)])
        return loss

    def on_validation_end(self) -> None:
        """Remember what was measured, for a run that ends there."""
        told = self.trainer.callback_metrics.items()
        scores = {name: value.item() for name, value in told if not name.startswith("loss")}
        self.latest = self.global_step, scores

    @staticmethod
    def falling(optimizer: torch.optim.Optimizer, steps: int):
        """The optimiser with its rates falling to zero by a cosine, for Lightning."""
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """The curve goes with the run."""
        checkpoint["curve"] = self.curve

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """And comes back."""
        self.curve = checkpoint["curve"]


class Saving(pl.callbacks.Checkpoint):
    """Writes a checkpoint every so many steps, and after each measurement.

    Where a measurement follows a step, only after it: a run that is killed while it measures goes
    on before that step, and measures again.

    Args:
        path: of the checkpoint.
        every: how many steps.
    """

    def __init__(self, path: Path, every: int):
        self.path, self.every = path, every

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """After a step."""
        measured = trainer.enable_validation and not trainer.global_step % trainer.val_check_batch
        if not trainer.global_step % self.every and not measured:
            trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer, pl_module) -> None:
        """After a measurement, while training."""
        if trainer.state.fn == "fit":
            trainer.save_checkpoint(self.path)


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
        better: tuple[str, str] | None = None,
        patience: int | None = None,
        **trainer: Any,
    ):
        self.out, self.options, self.patience = out, options, patience
        self.commit, self.start = commit(), time.time()
        out.mkdir(parents=True, exist_ok=True)
        pl.seed_everything(seed, verbose=False)
        logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(is_news)
        for alarm in FALSE_ALARMS:
            warnings.filterwarnings("ignore", alarm)
        callbacks: list[pl.Callback] = []
        if better and patience:
            measure, mode = better
            callbacks += [
                pl.callbacks.ModelCheckpoint(
                    out, "best", monitor=measure, mode=mode, enable_version_counter=False
                ),
                pl.callbacks.EarlyStopping(measure, mode=mode, patience=patience),
            ]
        callbacks.append(Saving(out / CHECKPOINT, save_every or CHECKPOINT_STEPS))
        # Not every parameter is in every loss: a stage with nothing to do is left out.
        several = "ddp_find_unused_parameters_true" if devices > 1 else "auto"
        usual: dict[str, Any] = {
            "logger": pl.loggers.TensorBoardLogger(out),
            "gradient_clip_val": 1.0,
        }
        self.trainer = pl.Trainer(
            devices=devices, strategy=several, callbacks=callbacks, enable_model_summary=False,
            num_sanity_val_steps=0, sync_batchnorm=devices > 1 and torch.cuda.is_available(),
            **(usual | trainer),
        )  # fmt: skip
        if options:
            self._begin()

    def _begin(self) -> None:
        """Remember the options, so that the run goes on with the same.

        Raises:
            ValueError: if it was begun with others.
        """
        path = self.out / BEGUN
        chosen = json.loads(json.dumps(self.options, default=str))
        chosen = {name: value for name, value in chosen.items() if name not in FREE}
        if self.checkpoint and path.exists():
            begun = json.loads(path.read_text())
            for name, value in chosen.items():
                if begun.get(name) != value:
                    raise ValueError(
                        f"{self.checkpoint}: was made with {name} {begun.get(name)}, not {value}; "
                        "choose another --out, or delete it"
                    )
        if self.trainer.is_global_zero:
            self.write_json(BEGUN, chosen)

    @property
    def checkpoint(self) -> Path | None:
        """Where an earlier run was stopped, if there was one.

        Raises:
            ValueError: if the file is damaged.
        """
        path = self.out / CHECKPOINT
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
        self.trainer.fit(module, training, checking, ckpt_path=self.checkpoint, weights_only=True)

    def take_best(self, module: Learner) -> None:
        """Give the module the best weights, if they were looked for."""
        if self.patience and (path := self.out / BEST).exists():
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
        unfinished = self.out / f"{name}.tmp"
        unfinished.write_text(json.dumps(without_nan(content), indent=1, default=str))
        unfinished.replace(self.out / name)


def without_nan(content: Any) -> Any:
    """With None in the place of what JSON has no number for."""
    if isinstance(content, dict):
        return {name: without_nan(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Lightning's is more than an advertisement."""
    return "Tip: " not in record.getMessage()


def save_upsampler(upsampler: nn.Module, channels: int, out: Path) -> None:
    """Write OUT/upsampler.safetensors, float16, and OUT/upsampler, as `save_pretrained` does.

    What its arguments do not describe, such as a class of yours that is no `Upsampler`, is written
    to the file alone.
    """
    tensors = {k: v.half().contiguous() for k, v in upsampler.state_dict().items()}
    save_tensors(tensors, out / "upsampler.safetensors", {})
    with suppress(ValueError):
        write_folder(out / "upsampler", describe(upsampler) | {"channels": channels}, upsampler)


def commit() -> str:
    """Of the code that runs, if it lies in a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:  # there is no git
        return "unknown"
    return done.stdout.strip() or "unknown"
