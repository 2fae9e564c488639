"""HRNet with object-contextual representations (OCR).

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020,
arXiv:1908.07919, section 3 (HRNetV2: all branches at the finest stride, concatenated); Yuan et
al., "Object-Contextual Representations for Semantic Segmentation", ECCV 2020, arXiv:1909.11065.
"""

from unstride.backbones.pyramid import Pyramid
from unstride.heads.object_context import ObjectContext
from unstride.models.segmentation.segmenter import Segmenter
from unstride.necks.level_fusion import LevelFusion
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory


class HRNetOCR(Segmenter):
    """HRNet with OCR. Its auxiliary logits are the rough logits that represent the classes.

    Training adds the loss of the auxiliary logits, with weight 0.4 in the paper.

    Args:
        pyramid: branches of an HRNet, `create_pyramid("hrnet_w18")`. Other pyramids work too.
        classes: number n of classes.
        width: channels of the representations of pixels and classes.
        key_width: channels in which pixels and classes are compared.
        fusion_upsampler: upsampler of the branches, from each stride to the next finer one.
            Default: one bilinear step to the finest grid for each branch.
        last_upsampler: upsampler of the logits, from the finest stride to the image.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        classes: PositiveInt,
        *,
        width: PositiveInt = 512,
        key_width: PositiveInt = 256,
        fusion_upsampler: UpsamplerFactory | None = None,
        last_upsampler: UpsamplerFactory = Bilinear,
    ):
        super().__init__(pyramid, classes, last_upsampler)
        self.fusion = LevelFusion(pyramid.channels, fusion_upsampler)
        self.head = ObjectContext(
            self.fusion.out_channels, classes, width=width, key_width=key_width
        )

    def decode(self, features, image):
        """Logits, and the rough logits as auxiliary ones."""
        return self.head(self.fusion(features, image))
