"""TODO."""

from math import isfinite

import pytorch_lightning as pl
import torch
from torch import Tensor


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
