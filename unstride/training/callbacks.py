"""Lightning callbacks and plugins: progress bar, checkpoints, early stopping, batch norm."""

from math import inf
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning.callbacks import Checkpoint, RichProgressBar
from pytorch_lightning.plugins import LayerSync
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from unstride.backbones.timm_model import convert_to_sync_batchnorm
from unstride.formats.atomic_write import atomic_path

MonitorMode = Literal["max", "min"]


class StepProgressBar(RichProgressBar):
    """Lightning's progress bar, for runs that count steps: no epoch, no version number."""

    def get_metrics(self, trainer, pl_module):
        """Return the logged values without Lightning's version number."""
        return {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training  "  # as long as "Validation", otherwise the bar flickers


class PeriodicCheckpoint(Checkpoint):
    """Writes a checkpoint every few steps and after each validation.

    If a validation follows a step, the checkpoint is written only after it. A run that is killed
    during validation therefore resumes before that step and validates again.

    Args:
        path: path of the checkpoint file.
        every_n_steps: steps between two checkpoints.
    """

    def __init__(self, path: Path, every_n_steps: int):
        self.path, self.every_n_steps = path, every_n_steps

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Save after a step, unless a validation follows."""
        validates = trainer.enable_validation and not trainer.global_step % trainer.val_check_batch
        if not trainer.global_step % self.every_n_steps and not validates:
            trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer, pl_module) -> None:
        """Save after a validation during training."""
        if trainer.state.fn == "fit":
            trainer.save_checkpoint(self.path)


class BestCheckpoint(Checkpoint):
    """Writes the weights with the best score and stops a run that no longer improves.

    Lightning's ModelCheckpoint and EarlyStopping forget the best score if the folder was moved, and
    keep training if a run that they stopped is started again.

    Args:
        path: path of the weights file.
        monitor: name of the logged metric.
        mode: "max" if higher is better, "min" if lower is better.
        patience: number of validations without improvement after which the run stops.
    """

    def __init__(self, path: Path, monitor: str, mode: MonitorMode, patience: int):
        self.path, self.monitor, self.patience = path, monitor, patience
        self.sign = 1 if mode == "max" else -1
        self.best_score, self.wait_count = -inf, 0

    def on_train_start(self, trainer, pl_module) -> None:
        """Keep a run stopped that had been stopped before."""
        trainer.should_stop = self.wait_count >= self.patience

    def on_validation_end(self, trainer, pl_module) -> None:
        """Compare the score with the best one, after a validation during training."""
        if trainer.state.fn != "fit":
            return
        score = self.sign * trainer.callback_metrics[self.monitor].item()
        self.wait_count += 1
        if score > self.best_score:
            self.best_score, self.wait_count = score, 0
            trainer.save_checkpoint(self.path, weights_only=True)
        trainer.should_stop = self.wait_count >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is saved with a checkpoint."""
        return {"best": self.best_score, "waited": self.wait_count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.best_score, self.wait_count = state_dict["best"], state_dict["waited"]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints through a temporary file beside them, which the next run can clean up.

    Lightning writes it to the system's temporary folder, under a name that tells nothing.
    """

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        """Write a checkpoint whole or not at all; Lightning calls it in one process."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            torch.save(checkpoint, temporary)


class BatchNormSync(LayerSync):
    """Synchronizes batch norm over all devices and keeps the activations of timm's norm layers.

    Lightning's own plugin loses these activations.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Convert the batch norms before training."""
        return convert_to_sync_batchnorm(model)

    def revert(self, model: nn.Module) -> nn.Module:
        """Keep the converted norms: on one device they compute the same as before."""
        return model
