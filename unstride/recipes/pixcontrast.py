"""PixContrast: pixels of two views should agree where they show the same place, and only there.

    unstride fit pixcontrast --images PHOTOS --backbone resnet50

Xie et al., "Propagate Yourself", CVPR 2021, arXiv:2011.10043, section 3.1. No code was released.
Negatives are the other cells of the same image's other view; there is no queue.
"""

from torch import Tensor

from unstride.losses.pixpro import pixel_contrast_loss
from unstride.recipes.pixcontrast_options import Options as Options
from unstride.recipes.pixel_matching_learner import PixelMatchingLearner
from unstride.recipes.pretraining import create_pretraining_network, pretrain


def fit(options: Options) -> None:
    """Pretrain a backbone."""
    network = create_pretraining_network(options)
    pretrain(options, PixContrastLearner(network, options), "PixContrast")


class PixContrastLearner(PixelMatchingLearner):
    """Trains with the contrast of matched cells and all others of the same image."""

    options: Options

    def directed_loss(self, cells: Tensor, targets: Tensor, is_match: Tensor) -> Tensor:
        """Half the contrast of one direction: the loss is the mean of both."""
        options = self.options
        loss = pixel_contrast_loss(
            cells.flatten(2), targets, is_match,
            temperature=options.temperature, empty_pairs=options.empty_pairs,
        )  # fmt: skip
        return loss / 2
