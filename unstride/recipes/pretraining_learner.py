"""What all pretraining methods share: two networks, two views, optimizer, and monitors.

The online network is trained. The target network is a momentum encoder. Both see both views, so a
step has four forward passes. A method defines its losses from the projections of the four.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unstride.backbones.timm_model import create_lars
from unstride.losses.pixel_matching import Cells, cells_of_maps
from unstride.models.pretraining.momentum import MomentumEncoder
from unstride.models.pretraining.network import PretrainingNetwork, Projections
from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.training.learner import Learner
from unstride.training.lr_schedule import with_warmup_cosine

Batch = dict[str, Tensor]


class TwoViewsOutput(NamedTuple):
    """Projections of both views by both networks, and the cells of each level by stride."""

    online: tuple[Projections, Projections]
    targets: tuple[Projections, Projections]
    cells: dict[int, tuple[Cells, Cells]]


class PretrainingLearner(Learner):
    """Trains a network so that two views of an image agree. A subclass defines `losses`.

    Args:
        network: the network that is trained; the target network begins as its copy.
        options: options of the recipe.

    Attributes:
        monitors: the step and the monitors' values, every few steps.
        probes: the step and the scores of each probe, in the order of the steps.
    """

    def __init__(self, network: PretrainingNetwork, options: PretrainingOptions):
        super().__init__()
        self.online, self.options = network, options
        self.target = MomentumEncoder(network, options.steps, options.momentum)
        self.monitors: list[dict[str, float]] = []
        self.probes: list[dict[str, float]] = []

    @abstractmethod
    def losses(self, output: TwoViewsOutput) -> dict[str, Tensor]:
        """Return the losses by name. Their sum is minimised."""

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the sum of the losses of a batch of `TwoViews`."""
        if int(self.target.step) <= self.global_step:  # once a step, however many batches it has
            self.target.update(self.online)
        losses = self.losses(self.project(batch))
        if len(losses) > 1:
            self.log_dict({f"loss/{name}": loss.detach() for name, loss in losses.items()})
        return self.record_loss(torch.stack(list(losses.values())).sum())

    def project(self, batch: Batch) -> TwoViewsOutput:
        """Project both views with both networks."""
        views = batch["images"].unbind(1)
        online = self.online(views[0]), self.online(views[1])
        targets = self.target(views[0]), self.target(views[1])
        cells = {}
        for stride, level in online[0].features.items():
            grid = level.shape[2], level.shape[3]
            first, second = (
                cells_of_maps(maps, batch["image_size"], grid)
                for maps in batch["coordinates"].unbind(1)
            )
            cells[stride] = first, second
        return TwoViewsOutput(online, targets, cells)

    def monitor(self, measure: Callable[[], dict[str, Tensor]]) -> None:
        """Log and keep what `measure` returns, every few steps.

        It tells a healthy run from a collapse. Of several levels or batches of a step the last
        values are kept.
        """
        trainer: Any = self.trainer
        if self.global_step % trainer.log_every_n_steps:
            return
        with torch.no_grad():
            values = measure()
        self.log_dict({f"monitor/{name}": value for name, value in values.items()})
        if self.monitors and self.monitors[-1]["step"] == self.global_step:
            self.monitors.pop()
        rounded = {name: round(value.item(), 4) for name, value in values.items()}
        self.monitors.append({"step": self.global_step, **rounded})

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Add the loss curve, the monitors' values and the probes' scores to a checkpoint."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["monitors"], checkpoint["probes"] = self.monitors, self.probes

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Restore them from a checkpoint."""
        super().on_load_checkpoint(checkpoint)
        self.monitors, self.probes = checkpoint["monitors"], checkpoint["probes"]

    def configure_optimizers(self):
        """LARS or AdamW, with a linear warm-up and a cosine decay to zero."""
        options = self.options
        groups = parameter_groups(self, options.weight_decay)
        rate = options.scaled_learning_rate
        optimizer: torch.optim.Optimizer
        if options.optimizer == "lars":
            optimizer = create_lars(groups, rate, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(groups, rate)
        return with_warmup_cosine(optimizer, options.steps, options.warmup_steps)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trained parameters: those of more than one dimension decay, the others do not."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def target_spread(cells: Tensor) -> Tensor:
    """How far targets are from collapse: 1 if they point everywhere alike, 0 if all are equal.

    It is the mean deviation of each channel of the targets, of length 1, over all cells of the
    batch, times the root of the number of channels.

    Args:
        cells: targets, "b d h w" or "b d".
    """
    directions = normalize(cells.float(), dim=1).movedim(1, -1).flatten(0, -2)
    return directions.std(0).mean() * directions.shape[1] ** 0.5
