"""torchvision's heads at any width, and those of its version 2, for which it has no name.

Li et al., "Benchmarking Detection Transfer Learning with Vision Transformers", 2021,
arXiv:2111.11429: two convolutions in the region proposals' head, four with batch norms before the
box's vector and in the mask head. RetinaNet's: Zhang et al., "Bridging the Gap Between
Anchor-based and Anchor-free Detection" (ATSS), CVPR 2020, arXiv:1912.02424: group norms, and the
generalised IoU of boxes in the loss.
"""

from functools import partial
from typing import Any

from torch import nn
from torchvision.models.detection.faster_rcnn import (
    FastRCNNConvFCHead,
    FastRCNNPredictor,
    TwoMLPHead,
)
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.rpn import RPNHead

NUM_CONVS = 4  # convolutions


def two_stage_heads(
    detector: Any, width: int, classes: int, *, version: int
) -> dict[str, nn.Module]:
    """What goes into a detector of torchvision's, by its word there.

    Args:
        detector: Faster or Mask R-CNN; it is not changed.
        width: channels of the levels.
        classes: with the background.
        version: 1 or 2.
    """
    rows, columns = detector.roi_heads.box_roi_pool.output_size
    heads: dict[str, nn.Module] = {}
    if version == 1:
        norm = None
        heads["box_head"] = TwoMLPHead(width * rows * columns, 4 * width)
    else:
        norm, grid = nn.BatchNorm2d, (width, rows, columns)
        each = detector.rpn.anchor_generator.num_anchors_per_location()[0]
        heads["rpn_head"] = RPNHead(width, each, conv_depth=2)
        heads["box_head"] = FastRCNNConvFCHead(
            grid, [width] * NUM_CONVS, [4 * width], norm_layer=norm
        )
    heads["box_predictor"] = FastRCNNPredictor(4 * width, classes)
    if detector.roi_heads.has_mask():
        heads["mask_head"] = MaskRCNNHeads(width, [width] * NUM_CONVS, 1, norm_layer=norm)
        heads["mask_predictor"] = MaskRCNNPredictor(width, width, classes)
    return heads


def retinanet_v2_head(width: int, anchors: int, classes: int) -> RetinaNetHead:
    """That of version 2.

    Args:
        width: channels of the levels, a multiple of 32.
        anchors: at each place.
        classes: with the background.
    """
    head = RetinaNetHead(width, anchors, classes, norm_layer=partial(nn.GroupNorm, 32))
    head.regression_head._loss_type = "giou"
    return head
