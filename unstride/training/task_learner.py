"""The base class of task learners: sum of losses, learning rates by group, frozen layers."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unstride.training.callbacks import MonitorMode
from unstride.training.learner import Learner
from unstride.training.lr_schedule import with_lr_schedule
from unstride.training.options import TaskOptions

LOGGED_IMAGES = 4  # validation images that TensorBoard shows: input, target and prediction


class TaskLearner(Learner):
    """Trains a network on the sum of named losses. Subclasses define losses and metrics.

    Args:
        network: network with a submodule at `backbone_path`, which has its own learning rate.
        options: options of the recipe.

    Attributes:
        monitor: metric that selects the best weights, and "max" or "min".
        backbone_path: dotted path of the backbone inside the network.
    """

    monitor: tuple[str, MonitorMode]
    backbone_path = "pyramid"

    def __init__(self, network: nn.Module, options: TaskOptions):
        super().__init__()
        self.network, self.options = network, options
        self.frozen_layers = backbone_layers(network, self.backbone_path, options.freeze)
        for layer in self.frozen_layers:
            layer.requires_grad_(False)
        self.train()  # Lightning does not switch to training mode

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the losses by name. Their sum is minimised."""

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Return the sum of the losses."""
        draw = self.trainer.world_size * self.global_step + self.trainer.global_rank
        torch.manual_seed(self.options.seed * 1_000_003 + draw)  # a resumed run draws the same
        losses = self.losses(batch)
        if len(losses) > 1:
            self.log_dict({f"loss/{name}": loss.detach() for name, loss in losses.items()})
        return self.record_loss(torch.stack(list(losses.values())).sum())

    def log_image(self, index: int, draw: Callable[[], Tensor], tag: str = "validation") -> None:
        """Log the picture that `draw` returns to TensorBoard, for the first validation images."""
        if index < LOGGED_IMAGES and isinstance(self.logger, TensorBoardLogger):
            self.logger.experiment.add_image(f"{tag}/{index}", draw(), self.global_step)

    def train(self, mode: bool = True):
        """Set the training mode, but keeps the statistics of frozen batch norms fixed."""
        super().train(mode)
        frozen = self.frozen_layers
        if self.options.freeze_norms:
            frozen = [pretrained_backbone(self.network, self.backbone_path)]
        for layer in frozen:
            for module in layer.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def configure_optimizers(self):
        """Create the optimizer and its learning-rate schedule, updated after every step."""
        options, groups = self.options, self.parameter_groups()
        optimizer: torch.optim.Optimizer
        if options.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=options.learning_rate, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(groups, lr=options.learning_rate)
        return with_lr_schedule(optimizer, options)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The parameters that are trained, grouped by learning rate and weight decay."""
        backbone = pretrained_backbone(self.network, self.backbone_path)
        pretrained = {id(p) for p in backbone.parameters()}
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for parameter in self.network.parameters():
            if parameter.requires_grad:
                key = id(parameter) in pretrained, parameter.ndim > 1
                groups.setdefault(key, []).append(parameter)
        options = self.options
        return [
            {
                "params": parameters,
                "lr": options.learning_rate * (options.backbone_lr_factor if in_backbone else 1),
                "weight_decay": options.weight_decay if decays else 0.0,
            }
            for (in_backbone, decays), parameters in groups.items()
        ] + self.regeneration_groups()


def pretrained_backbone(network: nn.Module, backbone_path: str) -> nn.Module:
    """The pretrained part of a network's backbone, without what a pyramid adds on top of it."""
    backbone = network.get_submodule(backbone_path)
    return getattr(backbone, "model", backbone)


def backbone_layers(
    network: nn.Module, backbone_path: str, names: Sequence[str]
) -> list[nn.Module]:
    """The layers of a network's backbone with these names, for example layer1 or blocks.0.

    Raises:
        ValueError: if the backbone has no layer of a name.
    """
    layers = []
    for name in names:
        backbone = pretrained_backbone(network, backbone_path)
        try:
            layers.append(backbone.get_submodule(name))
        except AttributeError:
            known = ", ".join(child for child, _ in backbone.named_children())
            raise ValueError(
                f"freeze must name layers of the backbone ({known}), got {name!r}"
            ) from None
    return layers
