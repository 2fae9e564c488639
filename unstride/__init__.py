"""unstride undoes a backbone's stride: dense features at pixel resolution.

Names are imported when they are first used, so that `unstride --help` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstride.analysis.footprint import footprint as footprint
    from unstride.backbones.pyramid import create_pyramid as create_pyramid
    from unstride.backbones.timm_backbone import create_backbone as create_backbone
    from unstride.export.onnx import export_onnx as export_onnx
    from unstride.features.dense_features import DenseFeatures as DenseFeatures
    from unstride.features.implicit import ImplicitFeatures as ImplicitFeatures
    from unstride.features.implicit import fit_implicit as fit_implicit
    from unstride.features.pretrained import from_pretrained as from_pretrained
    from unstride.formats.any_image import as_image as as_image
    from unstride.formats.images import load_image as load_image
    from unstride.models.depth.monodepth import Monodepth as Monodepth
    from unstride.models.multitask.multi_task import MultiTask as MultiTask
    from unstride.models.published import load_published as load_published
    from unstride.models.regeneration.loss import Regeneration as Regeneration
    from unstride.models.regeneration.options import RegenerationOptions as RegenerationOptions
    from unstride.models.regeneration.redaction import redact as redact
    from unstride.models.segmentation.hrnet_ocr import HRNetOCR as HRNetOCR
    from unstride.models.segmentation.semantic_fpn import SemanticFPN as SemanticFPN
    from unstride.models.segmentation.upernet import UPerNet as UPerNet
    from unstride.models.task_network import read_task as read_task
    from unstride.ops import correlate as correlate
    from unstride.ops import fold_border as fold_border
    from unstride.ops import keep_operations as keep_operations
    from unstride.ops import reassemble as reassemble
    from unstride.ops import scatter as scatter
    from unstride.ops import spread_border as spread_border
    from unstride.swapping import find_places as find_places
    from unstride.swapping import swap as swap
    from unstride.swapping import unswap as unswap
    from unstride.upsamplers.by_name import create_downsampler as create_downsampler
    from unstride.upsamplers.by_name import create_pair as create_pair
    from unstride.upsamplers.by_name import create_upsampler as create_upsampler
    from unstride.upsamplers.by_name import list_downsamplers as list_downsamplers
    from unstride.upsamplers.by_name import list_upsamplers as list_upsamplers

MODULE_BY_NAME = {
    "footprint": "unstride.analysis.footprint",
    "create_pyramid": "unstride.backbones.pyramid",
    "create_backbone": "unstride.backbones.timm_backbone",
    "export_onnx": "unstride.export.onnx",
    "DenseFeatures": "unstride.features.dense_features",
    "ImplicitFeatures": "unstride.features.implicit",
    "fit_implicit": "unstride.features.implicit",
    "from_pretrained": "unstride.features.pretrained",
    "as_image": "unstride.formats.any_image",
    "load_image": "unstride.formats.images",
    "Monodepth": "unstride.models.depth.monodepth",
    "MultiTask": "unstride.models.multitask.multi_task",
    "load_published": "unstride.models.published",
    "Regeneration": "unstride.models.regeneration.loss",
    "RegenerationOptions": "unstride.models.regeneration.options",
    "redact": "unstride.models.regeneration.redaction",
    "HRNetOCR": "unstride.models.segmentation.hrnet_ocr",
    "SemanticFPN": "unstride.models.segmentation.semantic_fpn",
    "UPerNet": "unstride.models.segmentation.upernet",
    "read_task": "unstride.models.task_network",
    "correlate": "unstride.ops",
    "fold_border": "unstride.ops",
    "keep_operations": "unstride.ops",
    "reassemble": "unstride.ops",
    "scatter": "unstride.ops",
    "spread_border": "unstride.ops",
    "find_places": "unstride.swapping",
    "swap": "unstride.swapping",
    "unswap": "unstride.swapping",
    "create_downsampler": "unstride.upsamplers.by_name",
    "create_pair": "unstride.upsamplers.by_name",
    "create_upsampler": "unstride.upsamplers.by_name",
    "list_downsamplers": "unstride.upsamplers.by_name",
    "list_upsamplers": "unstride.upsamplers.by_name",
}
__all__ = list(MODULE_BY_NAME)


def __getattr__(name: str):
    if name in MODULE_BY_NAME:
        return getattr(import_module(MODULE_BY_NAME[name]), name)
    raise AttributeError(f"module 'unstride' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *MODULE_BY_NAME])
