"""unstride undoes a backbone's stride: dense features at pixel resolution.

Names are loaded with their first use, so that `unstride --help` need not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstride.backbones import create_backbone as create_backbone
    from unstride.data import load_image as load_image
    from unstride.export import export_onnx as export_onnx
    from unstride.models.dense_features import DenseFeatures as DenseFeatures
    from unstride.models.hrnet_ocr import HRNetOCR as HRNetOCR
    from unstride.models.implicit import ImplicitFeatures as ImplicitFeatures
    from unstride.models.implicit import fit_implicit as fit_implicit
    from unstride.models.monodepth import Monodepth as Monodepth
    from unstride.models.multi_task import MultiTask as MultiTask
    from unstride.models.pretrained import from_pretrained as from_pretrained
    from unstride.models.saved_task import read_task as read_task
    from unstride.models.semantic_fpn import SemanticFPN as SemanticFPN
    from unstride.models.upernet import UPerNet as UPerNet
    from unstride.ops import correlate as correlate
    from unstride.ops import fold_border as fold_border
    from unstride.ops import reassemble as reassemble
    from unstride.ops import scatter as scatter
    from unstride.ops import spread_border as spread_border
    from unstride.pyramid import create_pyramid as create_pyramid
    from unstride.swapping import find_places as find_places
    from unstride.swapping import swap as swap
    from unstride.swapping import unswap as unswap
    from unstride.upsamplers import create_downsampler as create_downsampler
    from unstride.upsamplers import create_pair as create_pair
    from unstride.upsamplers import create_upsampler as create_upsampler
    from unstride.upsamplers import footprint as footprint
    from unstride.upsamplers import list_downsamplers as list_downsamplers
    from unstride.upsamplers import list_upsamplers as list_upsamplers
    from unstride.upsamplers import load_published as load_published

HOMES = {
    "create_backbone": "unstride.backbones",
    "load_image": "unstride.data",
    "export_onnx": "unstride.export",
    "DenseFeatures": "unstride.models.dense_features",
    "HRNetOCR": "unstride.models.hrnet_ocr",
    "ImplicitFeatures": "unstride.models.implicit",
    "fit_implicit": "unstride.models.implicit",
    "Monodepth": "unstride.models.monodepth",
    "MultiTask": "unstride.models.multi_task",
    "from_pretrained": "unstride.models.pretrained",
    "read_task": "unstride.models.saved_task",
    "SemanticFPN": "unstride.models.semantic_fpn",
    "UPerNet": "unstride.models.upernet",
    "correlate": "unstride.ops",
    "fold_border": "unstride.ops",
    "reassemble": "unstride.ops",
    "scatter": "unstride.ops",
    "spread_border": "unstride.ops",
    "create_pyramid": "unstride.pyramid",
    "find_places": "unstride.swapping",
    "swap": "unstride.swapping",
    "unswap": "unstride.swapping",
    "create_downsampler": "unstride.upsamplers",
    "create_pair": "unstride.upsamplers",
    "create_upsampler": "unstride.upsamplers",
    "footprint": "unstride.upsamplers",
    "list_downsamplers": "unstride.upsamplers",
    "list_upsamplers": "unstride.upsamplers",
    "load_published": "unstride.upsamplers",
}
__all__ = list(HOMES)


def __getattr__(name: str):
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module 'unstride' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
