"""PixContrast: pixels of two views should agree where they show the same place, and only there.

    unstride fit pixcontrast --images PHOTOS --backbone resnet50

Xie et al., "Propagate Yourself", CVPR 2021, arXiv:2011.10043, section 3.1. No code was released.
Negatives are the other cells of the same image's other view; there is no queue.
"""

from typing import Any

import torch
from torch import Tensor

from unstride.losses.pixel_matching import matched_cells
from unstride.losses.pixpro import pixel_contrast_loss
from unstride.recipes.pixcontrast_options import Options as Options
from unstride.recipes.pixpro import match_values
from unstride.recipes.pretraining import create_pretraining_network, pretrain
from unstride.recipes.pretraining_learner import (
    PretrainingLearner,
    TwoViewsOutput,
    target_spread,
)


def fit(options: Options) -> None:
    """Pretrain a backbone."""
    network = create_pretraining_network(options)
    pretrain(options, PixContrastLearner(network, options), "PixContrast")


class PixContrastLearner(PretrainingLearner):
    """Trains with the contrast of matched cells and all others of the same image."""

    options: Options

    def losses(self, output: TwoViewsOutput) -> dict[str, Tensor]:
        """The mean over levels and over both directions."""
        levels = [self._level_loss(output, stride) for stride in output.cells]
        return {"pixels": torch.stack(levels).mean()}

    def _level_loss(self, output: TwoViewsOutput, stride: int) -> Tensor:
        options = self.options
        is_match = matched_cells(*output.cells[stride], options.threshold, strict=options.strict)
        one, other = (p.cells[stride].flatten(2) for p in output.online)
        target_one, target_other = (p.cells[stride].flatten(2) for p in output.targets)
        targets = output.targets[0].cells[stride]
        self.monitor(lambda: match_values(is_match) | {"target_spread": target_spread(targets)})
        choices: dict[str, Any] = {
            "temperature": options.temperature,
            "empty_pairs": options.empty_pairs,
        }
        forward = pixel_contrast_loss(one, target_other, is_match, **choices)
        backward = pixel_contrast_loss(other, target_one, is_match.mT, **choices)
        return (forward + backward) / 2
