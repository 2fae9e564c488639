"""How every task network learns: the sum of its losses, rates by group, and what stays frozen."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unstride.training.callbacks import MonitorMode
from unstride.training.learner import Learner
from unstride.training.lr_schedule import lr_factor
from unstride.training.options import TaskOptions

LOGGED_IMAGES = (
    4  # photographs of the validation split that TensorBoard shows: as it is, truth, found
)


class TaskLearner(Learner):
    """A network that learns from losses by name; a subclass says which and what is measured.

    Args:
        network: with a part `trunk`, whose rate is its own.
        options: of the recipe.

    Attributes:
        better: the name of the measure by which weights are the best, and "max" or "min".
        trunk: the name of the backbone inside the network.
    """

    better: tuple[str, MonitorMode]
    trunk = "pyramid"

    def __init__(self, network: nn.Module, options: TaskOptions):
        super().__init__()
        self.network, self.options = network, options
        self.frozen = backbone_layers(network, self.trunk, options.freeze)
        for part in self.frozen:
            part.requires_grad_(False)
        self.train()  # Lightning does not

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """By name; their sum is minimised."""

    def training_step(self, batch: Any, index: int) -> Tensor:
        """The sum of the losses."""
        world = self.trainer.world_size * self.global_step + self.trainer.global_rank
        torch.manual_seed(self.options.seed * 1_000_003 + world)  # a stopped run draws the same
        losses = self.losses(batch)
        if len(losses) > 1:
            self.log_dict({f"loss/{name}": loss.detach() for name, loss in losses.items()})
        return self.noted(torch.stack(list(losses.values())).sum())

    def show(self, index: int, draw: Callable[[], Tensor], name: str = "validation") -> None:
        """What `draw` makes of a photograph of the validation split, if it is one of the first."""
        if index < LOGGED_IMAGES and isinstance(self.logger, TensorBoardLogger):
            self.logger.experiment.add_image(f"{name}/{index}", draw(), self.global_step)

    def train(self, mode: bool = True):
        """As ever, but for batch statistics of the backbone, or of parts of it, that are frozen."""
        super().train(mode)
        whole = self.options.freeze_norms
        for part in [pretrained_backbone(self.network, self.trunk)] if whole else self.frozen:
            for module in part.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def configure_optimizers(self):
        """Groups by rate and by decay; the rate changes after every step."""
        chosen = self.options
        trained = {id(p) for p in pretrained_backbone(self.network, self.trunk).parameters()}
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for parameter in self.network.parameters():
            if parameter.requires_grad:
                kind = id(parameter) in trained, parameter.ndim > 1
                groups.setdefault(kind, []).append(parameter)
        described = [
            {
                "params": parameters,
                "lr": chosen.learning_rate * (chosen.backbone_rate if inner else 1),
                "weight_decay": chosen.weight_decay if decays else 0.0,
            }
            for (inner, decays), parameters in groups.items()
        ]
        optimizer: torch.optim.Optimizer
        if chosen.optimizer == "sgd":
            optimizer = torch.optim.SGD(described, lr=chosen.learning_rate, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(described, lr=chosen.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: lr_factor(step, chosen)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def pretrained_backbone(network: nn.Module, trunk: str) -> nn.Module:
    """Of a network's backbone what came with weights, without what a pyramid puts on top of it."""
    body = network.get_submodule(trunk)
    return getattr(body, "model", body)


def backbone_layers(network: nn.Module, trunk: str, names: Sequence[str]) -> list[nn.Module]:
    """The parts of a network's backbone that have these names, such as layer1 or blocks.0.

    Raises:
        ValueError: if there is none of a name.
    """
    parts = []
    for name in names:
        inner = pretrained_backbone(network, trunk)
        try:
            parts.append(inner.get_submodule(name))
        except AttributeError:
            known = ", ".join(part for part, _ in inner.named_children())
            raise ValueError(f"freeze {name!r}: the backbone has {known}") from None
    return parts
