"""The base class of all learners: it records the loss curve and the last validation scores."""

from math import isfinite

import pytorch_lightning as pl
from torch import Tensor


class Learner(pl.LightningModule):
    """A LightningModule whose loss curve is saved with its checkpoints.

    Attributes:
        loss_curve: [step, loss] of each training step.
        last_validation: step and scores of the last validation; step -1 before the first one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss_curve: list[list[float]] = []
        self.last_validation: tuple[int, dict[str, float]] = (-1, {})

    def record_loss(self, loss: Tensor) -> Tensor:
        """Log the loss, appends it to the loss curve and returns it.

        Raises:
            ValueError: if the loss is not finite.
        """
        value = loss.item()
        if not isfinite(value):
            raise ValueError(f"loss is {value} at step {self.global_step}: lower learning_rate")
        self.log("loss", loss, prog_bar=True)
        self.loss_curve.append([self.global_step, round(value, 4)])
        return loss

    def on_validation_end(self) -> None:
        """Keep the scores, in case the run ends with this validation."""
        metrics = self.trainer.callback_metrics.items()
        scores = {name: value.item() for name, value in metrics if not name.startswith("loss")}
        self.last_validation = self.global_step, scores

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Add the loss curve to a checkpoint."""
        checkpoint["curve"] = self.loss_curve

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Restore the loss curve from a checkpoint."""
        self.loss_curve = checkpoint["curve"]
