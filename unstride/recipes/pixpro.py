"""PixPro: pretrains a backbone so that pixels of two views agree where they show the same place.

    unstride fit pixpro --images PHOTOS --backbone resnet50

Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual
Representation Learning", CVPR 2021, arXiv:2011.10043, section 3.2. The cells of one view, after
propagation, should equal the momentum encoder's cells of the other view where both show the same
place. With `instance_weight` whole images should agree as well (section 4.2): as in BYOL, as the
released code has it, or as in SimCLR, as the paper says. Defaults are those of the released code.
"""

from torch import Tensor

from unstride.losses.instance import byol_loss, simclr_loss
from unstride.losses.pixpro import pixel_consistency_loss
from unstride.models.pretraining.heads import PixelMLP
from unstride.models.pretraining.network import PretrainingNetwork, projected_image
from unstride.models.pretraining.propagation import PixelPropagation, attention_entropy
from unstride.recipes.pixel_matching_learner import PixelMatchingLearner
from unstride.recipes.pixpro_options import Options as Options
from unstride.recipes.pretraining import create_pretraining_network, pretrain
from unstride.recipes.pretraining_learner import TwoViewsOutput


def fit(options: Options) -> None:
    """Pretrain a backbone."""
    network = create_pretraining_network(options, has_instance=options.instance_weight > 0)
    pretrain(options, PixProLearner(network, options), "PixPro")


class PixProLearner(PixelMatchingLearner):
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
        """The pixels' loss, and that of the instance branch."""
        losses = super().losses(output)
        if self.options.instance_weight:
            losses["instance"] = self.options.instance_weight * self._instance_loss(output)
        return losses

    def directed_loss(self, cells: Tensor, targets: Tensor, is_match: Tensor) -> Tensor:
        """Propagated cells should equal the other view's targets where they match."""
        options = self.options
        if options.propagation:
            cells = self.propagate(cells)
        return pixel_consistency_loss(
            cells.flatten(2), targets, is_match,
            scale=options.loss_scale, empty_pairs=options.empty_pairs,
        )  # fmt: skip

    def monitored(self, cells: Tensor) -> dict[str, Tensor]:
        """How evenly the propagation takes from all cells."""
        return {"attention_entropy": attention_entropy(self.propagate.similarity(cells))}

    def _instance_loss(self, output: TwoViewsOutput) -> Tensor:
        one, other = (projected_image(p) for p in output.online)
        target_one, target_other = (projected_image(p) for p in output.targets)
        if self.predictor is not None:
            one, other = (
                self.predictor(image[:, :, None, None])[:, :, 0, 0] for image in (one, other)
            )
            return byol_loss(one, target_other) + byol_loss(other, target_one)
        return simclr_loss(one, target_other) + simclr_loss(other, target_one)
