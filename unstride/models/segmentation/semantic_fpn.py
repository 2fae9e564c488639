"""Semantic FPN: a feature pyramid network with the semantic branch of Panoptic FPN.

Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, arXiv:1901.02446, section 3.1.
"""

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.heads.semantic_branch import SemanticBranch
from unstride.models.segmentation.segmenter import Segmenter
from unstride.necks.fpn import FPN, TorchNearest
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory


class SemanticFPN(Segmenter):
    """Semantic FPN, with upsamplers in three places.

    Args:
        pyramid: features of the image.
        classes: number n of classes.
        width: channels of the feature pyramid network.
        branch_width: channels of the semantic branch.
        branch_upsampler: upsampler of the branch, from each stride to the next finer one.
        fpn_upsampler: upsampler of the feature pyramid network's top-down path.
        last_upsampler: upsampler of the logits, from the finest stride to the image.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        classes: PositiveInt,
        *,
        width: PositiveInt = 256,
        branch_width: PositiveInt = 128,
        branch_upsampler: UpsamplerFactory = Bilinear,
        fpn_upsampler: UpsamplerFactory = TorchNearest,
        last_upsampler: UpsamplerFactory = Bilinear,
    ):
        super().__init__(pyramid, classes, last_upsampler)
        self.fpn = FPN(pyramid.channels, width, fpn_upsampler)
        self.branch = SemanticBranch(
            pyramid.strides, width, branch_width, upsampler=branch_upsampler
        )
        self.predict = nn.Conv2d(branch_width, classes, 1)

    def decode(self, features, image):
        """Logits of the semantic branch; no auxiliary logits."""
        levels = self.fpn(features, image)
        return self.predict(self.branch(levels, image)), None
