"""The base class of all learners: loss curve, last validation scores, and regeneration.

A learner regenerates images from its predictions if `start_regeneration` was called. Its module has
a group of the optimizer and a clipping of its own, so that it changes the network's training only
by the gradient that it sends through the prediction.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from unstride.models.regeneration.loss import Predictions, Regeneration
from unstride.training.regenerate import create_regeneration, measurements, norms_in_eval

UNSCORED = "loss", "regeneration"  # first words of what is logged while training


class Learner(pl.LightningModule):
    """A LightningModule whose loss curve is saved with its checkpoints.

    Attributes:
        loss_curve: [step, loss] of each training step.
        last_validation: step and scores of the last validation; step -1 before the first one.
        regeneration: regenerates images from predictions while training; None by default.
    """

    regeneration: Regeneration | None

    def __init__(self) -> None:
        super().__init__()
        self.loss_curve: list[list[float]] = []
        self.last_validation: tuple[int, dict[str, float]] = (-1, {})
        self.regeneration = None

    def prediction_channels(self) -> dict[str, int]:
        """Channels of each kind of prediction from which images can be regenerated.

        Raises:
            ValueError: if there is none.
        """
        raise ValueError("regenerate needs a prediction for every pixel, which this task has not")

    def class_names(self) -> list[str]:
        """Names of the predicted classes, for text supervision."""
        return []

    def start_regeneration(
        self, given: str | Mapping[str, Any] | None, steps: int, seed: int
    ) -> None:
        """Regenerate images from now on, unless nothing is given.

        Args:
            given: see `regeneration_options`.
            steps: number of training steps.
            seed: seed of the module and of the redactions.
        """
        if given is not None:
            self.regeneration = create_regeneration(
                given, self.prediction_channels(), steps, seed, self.class_names()
            )

    def regeneration_loss(
        self,
        images: Tensor,
        predictions: Predictions,
        predict: Callable[[Tensor], Predictions] | None = None,
    ) -> dict[str, Tensor]:
        """The loss of regeneration by its name; nothing without regeneration or outside training.

        Args:
            images: RGB in [0, 1].
            predictions: predictions for them, by kind, as the other losses take them.
            predict: predicts for other images.
        """
        if self.regeneration is None or not self.training:
            return {}
        self.regeneration.rank = self.trainer.global_rank

        def predict_again(others: Tensor) -> Predictions:
            assert predict is not None
            with norms_in_eval(self):
                return predict(others)

        again = None if predict is None else predict_again
        return {"regeneration": self.regeneration(images, predictions, again)}

    def regeneration_report(self) -> dict[str, Any]:
        """The last measurements of regeneration, for the card; nothing without regeneration."""
        if self.regeneration is None or self.regeneration.last is None:
            return {}
        return {"regeneration": measurements(self.regeneration)}

    def regeneration_groups(self) -> list[dict[str, Any]]:
        """The group of the optimizer for the module's parameters, if there is one."""
        if self.regeneration is None:
            return []
        parameters = list(self.regeneration.parameters())
        return [{"params": parameters, "weight_decay": 0.0, "regenerates": True}]

    def configure_gradient_clipping(
        self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None
    ) -> None:
        """Clip the network's gradient as without regeneration, and the module's by itself."""
        if self.regeneration is None or not gradient_clip_val:
            super().configure_gradient_clipping(
                optimizer, gradient_clip_val, gradient_clip_algorithm
            )
            return
        for regenerates in (False, True):
            groups = [
                g for g in optimizer.param_groups if g.get("regenerates", False) is regenerates
            ]
            parameters: list[nn.Parameter] = [p for group in groups for p in group["params"]]
            clip_grad_norm_(parameters, gradient_clip_val)

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
        scores = {name: value.item() for name, value in metrics if not name.startswith(UNSCORED)}
        self.last_validation = self.global_step, scores

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Add the loss curve to a checkpoint."""
        checkpoint["curve"] = self.loss_curve

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Restore the loss curve from a checkpoint."""
        self.loss_curve = checkpoint["curve"]
