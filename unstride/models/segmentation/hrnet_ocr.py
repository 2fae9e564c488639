"""HRNet with object-contextual representations.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020,
arXiv:1908.07919, section 3 (HRNetV2: all branches at the finest stride, concatenated); Yuan et
al., "Object-Contextual Representations for Semantic Segmentation", ECCV 2020, arXiv:1909.11065.
"""

from unstride.backbones.pyramid import Pyramid
from unstride.heads.object_context import ObjectContext
from unstride.models.segmentation.segmenter import Segmenter
from unstride.necks.level_fusion import LevelFusion
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory


class HRNetOCR(Segmenter):
    """Logits of each pixel, and in `predictions` the rough ones that describe the classes.

    Training adds the loss of the rough logits, with weight 0.4 in the paper.

    Args:
        pyramid: the branches of an HRNet, `create_pyramid("hrnet_w18")`; others do too.
        classes: number n of classes.
        width: channels in which pixels and classes are described.
        key_width: dimensions in which they are compared.
        fusion_upsampler: of the branches, from each stride to the next finer. By default all are
            enlarged to the finest in one step, bilinear.
        last_upsampler: of the logits, from the finest stride to the image.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        classes: int,
        *,
        width: int = 512,
        key_width: int = 256,
        fusion_upsampler: UpsamplerFactory | None = None,
        last_upsampler: UpsamplerFactory = Bilinear,
    ):
        super().__init__(pyramid, classes, last_upsampler)
        self.fusion = LevelFusion(pyramid.channels, fusion_upsampler)
        self.head = ObjectContext(self.fusion.width, classes, width=width, key_width=key_width)

    def coarse(self, features, image):
        """The rough logits are the auxiliary ones."""
        return self.head(self.fusion(features, image))
