"""torchvision's heads at any width, and the heads of its version 2, which it builds inline.

Version 2, R-CNN: Li et al., "Benchmarking Detection Transfer Learning with Vision Transformers",
2021, arXiv:2111.11429. Two convolutions in the region proposals' head, four with batch norms before
the box's vector and in the mask head. RetinaNet: Zhang et al., "Bridging the Gap Between
Anchor-based and Anchor-free Detection" (ATSS), CVPR 2020, arXiv:1912.02424. Group norms, and the
generalised IoU of boxes as the loss.
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

NUM_CONVS = 4  # convolutions in the mask head and, in version 2, before the box's vector


def two_stage_heads(
    detector: Any, in_channels: int, num_classes: int, *, version: int
) -> dict[str, nn.Module]:
    """Create the heads of a two-stage detector, by torchvision's names.

    Args:
        detector: faster or Mask R-CNN. It is not changed.
        in_channels: channels of the levels.
        num_classes: number of classes with the background.
        version: 1 or 2.
    """
    rows, columns = detector.roi_heads.box_roi_pool.output_size
    convs = [in_channels] * NUM_CONVS
    vector = 4 * in_channels  # channels of a box's vector
    heads: dict[str, nn.Module] = {}
    if version == 1:
        norm_layer = None
        heads["box_head"] = TwoMLPHead(in_channels * rows * columns, vector)
    else:
        norm_layer = nn.BatchNorm2d
        num_anchors = detector.rpn.anchor_generator.num_anchors_per_location()[0]
        heads["rpn_head"] = RPNHead(in_channels, num_anchors, conv_depth=2)
        heads["box_head"] = FastRCNNConvFCHead(
            (in_channels, rows, columns), convs, [vector], norm_layer=norm_layer
        )
    heads["box_predictor"] = FastRCNNPredictor(vector, num_classes)
    if detector.roi_heads.has_mask():
        heads["mask_head"] = MaskRCNNHeads(in_channels, convs, 1, norm_layer=norm_layer)
        heads["mask_predictor"] = MaskRCNNPredictor(in_channels, in_channels, num_classes)
    return heads


def retinanet_v2_head(in_channels: int, num_anchors: int, num_classes: int) -> RetinaNetHead:
    """Create the head of RetinaNet's version 2.

    Args:
        in_channels: channels of the levels, a multiple of 32.
        num_anchors: number of anchors at each position.
        num_classes: number of classes with the background.
    """
    norm_layer = partial(nn.GroupNorm, 32)
    head = RetinaNetHead(in_channels, num_anchors, num_classes, norm_layer=norm_layer)
    head.regression_head._loss_type = "giou"
    return head
