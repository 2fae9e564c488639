"""BYOL: pretrains a backbone so that two views of an image agree as a whole. A baseline.

    unstride fit byol --images PHOTOS --backbone resnet50

Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv:2006.07733. The projector works
cell by cell before the mean over cells, as in the instance branch of PixPro's released code.
"""

from torch import Tensor

from unstride.losses.instance import byol_loss
from unstride.models.pretraining.heads import PixelMLP
from unstride.models.pretraining.network import PretrainingNetwork, projected_image
from unstride.recipes.byol_options import Options as Options
from unstride.recipes.pretraining import create_pretraining_network, pretrain
from unstride.recipes.pretraining_learner import (
    PretrainingLearner,
    TwoViewsOutput,
    target_spread,
)


def fit(options: Options) -> None:
    """Pretrain a backbone."""
    network = create_pretraining_network(options, has_cells=False, has_instance=True)
    pretrain(options, BYOLLearner(network, options), "BYOL")


class BYOLLearner(PretrainingLearner):
    """Trains a predictor of the target network's projection of the other view.

    Args:
        network: the network to train.
        options: options of the recipe.
    """

    def __init__(self, network: PretrainingNetwork, options: Options):
        super().__init__(network, options)
        channels = options.out_channels
        self.predictor = PixelMLP(channels, options.hidden_channels, channels)

    def losses(self, output: TwoViewsOutput) -> dict[str, Tensor]:
        """The loss of both directions."""
        one, other = (
            self.predictor(projected_image(p)[:, :, None, None])[:, :, 0, 0] for p in output.online
        )
        target_one, target_other = (projected_image(p) for p in output.targets)
        self.monitor(lambda: {"target_spread": target_spread(target_one)})
        return {"images": byol_loss(one, target_other) + byol_loss(other, target_one)}
