"""UPerNet, with upsamplers in the three places where CARAFE's authors put their operator.

Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018, arXiv:1807.10221,
section 3, with the head for objects only; Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188,
section 4.2 and table 6. The feature pyramid network is that of Lin et al. with batch norm. The
pooled level passes through it like the others.
"""

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.segmentation.segmenter import Segmenter
from unstride.necks.conv_block import conv_norm_relu
from unstride.necks.fpn import FPN
from unstride.necks.level_fusion import LevelFusion
from unstride.necks.pyramid_pooling import PyramidPooling
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory


class UPerNet(Segmenter):
    """UPerNet, with upsamplers in four places.

    Args:
        pyramid: features of the image.
        classes: number n of classes.
        width: channels of every level.
        pooling_upsampler: upsampler of the pooled maps, from half the coarsest grid to the full
            grid (PPM in CARAFE's table). Default: one bilinear step.
        fpn_upsampler: upsampler of the feature pyramid network's top-down path (FPN).
        fusion_upsampler: upsampler of the levels, from each to the next finer one (FUSE). Default:
            one bilinear step to the finest grid for each level.
        last_upsampler: upsampler of the logits, from the finest stride to the image.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        classes: PositiveInt,
        *,
        width: PositiveInt = 512,
        pooling_upsampler: UpsamplerFactory | None = None,
        fpn_upsampler: UpsamplerFactory = Bilinear,
        fusion_upsampler: UpsamplerFactory | None = None,
        last_upsampler: UpsamplerFactory = Bilinear,
    ):
        super().__init__(pyramid, classes, last_upsampler)
        coarsest = pyramid.strides[-1]
        channels = pyramid.channels | {coarsest: width}
        self.pooling = PyramidPooling(pyramid.channels[coarsest], width, pooling_upsampler)
        self.fpn = FPN(channels, width, fpn_upsampler, norm_layer=nn.BatchNorm2d)
        self.fusion = LevelFusion(dict.fromkeys(pyramid.strides, width), fusion_upsampler)
        self.mix = conv_norm_relu(self.fusion.out_channels, width, 3)
        self.predict = nn.Conv2d(width, classes, 1)

    def decode(self, features, image):
        """Logits of the fused levels; no auxiliary logits."""
        coarsest = self.pyramid.strides[-1]
        pooled = self.pooling(features[coarsest], image)
        levels = self.fpn(features | {coarsest: pooled}, image)
        return self.predict(self.mix(self.fusion(levels, image))), None
