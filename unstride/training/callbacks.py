"""What happens beside the steps of a run: checkpoints, the best weights, an early end."""

from math import inf
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.callbacks import Checkpoint, RichProgressBar
from pytorch_lightning.plugins import LayerSync
from torch import nn

from unstride.backbones.timm_backbone import convert_to_sync_batchnorm

MonitorMode = Literal["max", "min"]


class StepProgressBar(RichProgressBar):
    """Lightning's, which counts steps: a run has no epochs, and one version in its folder."""

    def get_metrics(self, trainer, pl_module):
        """What the run logs."""
        return {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training  "  # as long as Validation, or it flickers


class PeriodicCheckpoint(Checkpoint):
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


class BestCheckpoint(Checkpoint):
    """Writes the weights that score best, and ends a run that scores no better any more.

    Lightning's two callbacks forget the best score in a folder that was moved, and train on when
    a run that they ended is started again.

    Args:
        path: of the weights.
        measure: by which they are the best, as it is logged.
        mode: whether more or less is better.
        patience: measurements without a better one after which the run ends.
    """

    def __init__(self, path: Path, measure: str, mode: MonitorMode, patience: int):
        self.path, self.measure, self.patience = path, measure, patience
        self.sign = 1 if mode == "max" else -1
        self.best, self.waited = -inf, 0

    def on_train_start(self, trainer, pl_module) -> None:
        """A run that was ended stays ended."""
        trainer.should_stop = self.waited >= self.patience

    def on_validation_end(self, trainer, pl_module) -> None:
        """After a measurement, while training."""
        if trainer.state.fn != "fit":
            return
        score = self.sign * trainer.callback_metrics[self.measure].item()
        self.waited += 1
        if score > self.best:
            self.best, self.waited = score, 0
            trainer.save_checkpoint(self.path, weights_only=True)
        trainer.should_stop = self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Goes with the run."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """And comes back."""
        self.best, self.waited = state_dict["best"], state_dict["waited"]


class BatchNormSync(LayerSync):
    """Batch statistics of all devices; Lightning's own loses the activations of timm's norms."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Before training."""
        return convert_to_sync_batchnorm(model)

    def revert(self, model: nn.Module) -> nn.Module:
        """Afterwards they stay: on one device they are what they were."""
        return model
