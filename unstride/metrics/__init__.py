"""Metrics that torchmetrics lacks, and torchmetrics' own set up for this library."""

from unstride.metrics.average_precision import average_precision as average_precision
from unstride.metrics.cam_faithfulness import cam_faithfulness as cam_faithfulness
from unstride.metrics.depth import DepthErrors as DepthErrors
from unstride.metrics.depth import depth_errors as depth_errors
from unstride.metrics.iou import BoundaryIoU as BoundaryIoU
from unstride.metrics.iou import boundary_band as boundary_band
from unstride.metrics.iou import mean_iou as mean_iou
from unstride.metrics.normals import NormalErrors as NormalErrors
from unstride.metrics.normals import angular_error as angular_error
from unstride.metrics.panoptic_quality import PanopticQuality as PanopticQuality
from unstride.metrics.segment_separation import SegmentSeparation as SegmentSeparation
from unstride.metrics.segment_separation import roc_auc as roc_auc
from unstride.metrics.segment_separation import segment_separation as segment_separation
