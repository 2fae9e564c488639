"""Probes of the features while they are pretrained: what they know about the classes of pixels.

The loss of self-supervised training does not say whether features get better; it may rise while
they do. Probes say it.
"""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import SEGMENTATION_DATASETS
from unstride.evaluation.dense_probes import ProbeOptions, probe_scores
from unstride.models.pretraining.network import PretrainingNetwork
from unstride.random_numbers import seeded
from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.training.dataset_splits import load_dataset


class ProbeCallback(pl.Callback):
    """Probes the online network's backbone every few steps and at the end of training.

    Scores are mean IoUs in percent on the validation split, as `probe/linear`, `probe/in_context`
    and `probe/knn`. One process does it. The random numbers of the training are not used.

    Args:
        options: options of the recipe, with the labelled data set.

    Raises:
        ValueError: if there is no such data set.
    """

    def __init__(self, options: PretrainingOptions):
        self.every, self.last_step = options.probe_every, options.steps
        assert options.probe_data is not None
        train_data, val_data = (
            load_dataset(SEGMENTATION_DATASETS, options.probe_dataset, options.probe_data, split)
            for split in ("train", "val")
        )
        self.num_classes = len(train_data.classes)
        self.train_data = evenly_spaced_subset(train_data, options.probe_limit)
        self.val_data = evenly_spaced_subset(val_data, options.probe_limit)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Probe after every few steps, once each."""
        step = trainer.global_step
        is_due = step % self.every == 0 or step == self.last_step
        is_done = any(scores["step"] == step for scores in pl_module.probes)
        if step and is_due and not is_done and trainer.is_global_zero:
            scores = probe_backbone(
                pl_module.online, self.train_data, self.val_data, self.num_classes
            )
            pl_module.probes.append({"step": step, **scores})
            pl_module.log_dict({f"probe/{k}": v for k, v in scores.items()}, rank_zero_only=True)


@torch.no_grad()
def probe_backbone(
    network: PretrainingNetwork,
    train_data: Any,
    val_data: Any,
    num_classes: int,
    options: ProbeOptions | None = None,
) -> dict[str, float]:
    """The probes' scores of the coarsest level of a network's backbone, in evaluation mode."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()

    def encode(image: Tensor) -> Tensor:
        features = network.pyramid(image.to(device))
        return features[max(features)]

    with seeded(0):
        scores = probe_scores(encode, train_data, val_data, num_classes, options or ProbeOptions())
    network.train(was_training)
    return scores
