"""PixPro: pretrains a backbone so that pixels of two views agree where they show the same place.

    unstride fit pixpro --images PHOTOS --backbone resnet50

Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual
Representation Learning", CVPR 2021, arXiv:2011.10043, section 3.2. The cells of one view, after
propagation, should equal the momentum encoder's cells of the other view where both show the same
place. With `instance_weight` whole images should agree as well (section 4.2): as in BYOL, as the
released code has it, or as in SimCLR, as the paper says. Defaults are those of the released code.
"""

from typing import Any

import torch
from torch import Tensor

from unstride.losses.instance import byol_loss, simclr_loss
from unstride.losses.pixel_matching import matched_cells
from unstride.losses.pixpro import pixel_consistency_loss
from unstride.models.pretraining.heads import PixelMLP
from unstride.models.pretraining.network import PretrainingNetwork, projected_image
from unstride.models.pretraining.propagation import PixelPropagation, attention_entropy
from unstride.recipes.pixpro_options import Options as Options
from unstride.recipes.pretraining import create_pretraining_network, pretrain
from unstride.recipes.pretraining_learner import (
    PretrainingLearner,
    TwoViewsOutput,
    target_spread,
)


def fit(options: Options) -> None:
    """Pretrain a backbone."""
    network = create_pretraining_network(options, has_instance=options.instance_weight > 0)
    pretrain(options, PixProLearner(network, options), "PixPro")


class PixProLearner(PretrainingLearner):
    """Trains with the consistency of matched cells.

    Args:
        network: the network to train.
        options: options of the recipe.
    """

    options: Options

    def __init__(self, network: PretrainingNetwork, options: Options):
        super().__init__(network, options)
        channels = options.out_channels
        self.propagate = PixelPropagation(
            channels, gamma=options.gamma, layers=options.propagation_layers
        )
        self.predictor = None
        if options.instance_weight and options.instance_branch == "byol":
            self.predictor = PixelMLP(channels, options.hidden_channels, channels)
        if not options.propagation:
            self.propagate.requires_grad_(False)

    def losses(self, output: TwoViewsOutput) -> dict[str, Tensor]:
        """The pixels' loss, a mean over levels, and that of the instance branch."""
        levels = [self._level_loss(output, stride) for stride in output.cells]
        losses = {"pixels": torch.stack(levels).mean()}
        if self.options.instance_weight:
            losses["instance"] = self.options.instance_weight * self._instance_loss(output)
        return losses

    def _level_loss(self, output: TwoViewsOutput, stride: int) -> Tensor:
        options, (first, second) = self.options, output.cells[stride]
        if options.permuted:
            second = type(second)(second.centres.roll(1, 0), second.diagonal.roll(1, 0))
        is_match = matched_cells(first, second, options.threshold, strict=options.strict)
        one, other = (p.cells[stride] for p in output.online)
        target_one, target_other = (p.cells[stride].flatten(2) for p in output.targets)
        self.monitor(lambda: self._monitored(is_match, one, output.targets[0].cells[stride]))
        if options.propagation:
            one, other = self.propagate(one), self.propagate(other)
        choices: dict[str, Any] = {"scale": options.loss_scale, "empty_pairs": options.empty_pairs}
        return pixel_consistency_loss(
            one.flatten(2), target_other, is_match, **choices
        ) + pixel_consistency_loss(other.flatten(2), target_one, is_match.mT, **choices)

    def _monitored(self, is_match: Tensor, cells: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return match_values(is_match) | {
            "target_spread": target_spread(targets),
            "attention_entropy": attention_entropy(self.propagate.similarity(cells)),
        }

    def _instance_loss(self, output: TwoViewsOutput) -> Tensor:
        one, other = (projected_image(p) for p in output.online)
        target_one, target_other = (projected_image(p) for p in output.targets)
        if self.predictor is not None:
            one, other = (
                self.predictor(image[:, :, None, None])[:, :, 0, 0] for image in (one, other)
            )
            return byol_loss(one, target_other) + byol_loss(other, target_one)
        return simclr_loss(one, target_other) + simclr_loss(other, target_one)


@torch.no_grad()
def match_values(is_match: Tensor) -> dict[str, Tensor]:
    """How many matches a cell has on average, and the share of image pairs without any."""
    return {
        "matches_per_cell": is_match.sum(2).float().mean(),
        "pairs_without_match": (~is_match.flatten(1).any(1)).float().mean(),
    }
