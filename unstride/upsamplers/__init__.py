"""Upsamplers by name: the one place where a word of the command line becomes a class."""

from collections.abc import Callable
from inspect import signature

from torch import nn

from unstride.upsamplers.a2u import A2UDownsample as A2UDownsample
from unstride.upsamplers.a2u import A2UPair as A2UPair
from unstride.upsamplers.a2u import A2UUpsample as A2UUpsample
from unstride.upsamplers.anyup import AnyUp as AnyUp
from unstride.upsamplers.base import Cascade as Cascade
from unstride.upsamplers.base import Downsampler as Downsampler
from unstride.upsamplers.base import Reassembly as Reassembly
from unstride.upsamplers.base import Upsampler as Upsampler
from unstride.upsamplers.base import frozen_predictions as frozen_predictions
from unstride.upsamplers.carafe import CarafeDownsample as CarafeDownsample
from unstride.upsamplers.carafe import CarafeUpsample as CarafeUpsample
from unstride.upsamplers.convolution import BilinearConvolution as BilinearConvolution
from unstride.upsamplers.convolution import Deconvolution as Deconvolution
from unstride.upsamplers.convolution import NearestConvolution as NearestConvolution
from unstride.upsamplers.convolution import PixelShuffle as PixelShuffle
from unstride.analysis.cost import Cost as Cost
from unstride.analysis.cost import cost as cost
from unstride.upsamplers.dysample import DySample as DySample
from unstride.upsamplers.fade import FADE as FADE
from unstride.upsamplers.featup import FeatUpStack as FeatUpStack
from unstride.upsamplers.featup_implicit import FeatUpImplicit as FeatUpImplicit
from unstride.upsamplers.featup_variants import featup_jbu as featup_jbu
from unstride.upsamplers.guided_filter import GuidedFilter as GuidedFilter
from unstride.upsamplers.gum import GuidedUpsamplingModule as GuidedUpsamplingModule
from unstride.upsamplers.index import IndexDownsample as IndexDownsample
from unstride.upsamplers.index import IndexPair as IndexPair
from unstride.upsamplers.index import IndexUpsample as IndexUpsample
from unstride.upsamplers.index import MaxPool as MaxPool
from unstride.upsamplers.index import MaxUnpool as MaxUnpool
from unstride.upsamplers.interpolation import Bicubic as Bicubic
from unstride.upsamplers.interpolation import Bilinear as Bilinear
from unstride.upsamplers.interpolation import Nearest as Nearest
from unstride.upsamplers.joint_bilateral import JointBilateral as JointBilateral
from unstride.upsamplers.naf import NAF as NAF
from unstride.upsamplers.pair import Pair as Pair
from unstride.upsamplers.featup_downsample import AttentionPool as AttentionPool
from unstride.upsamplers.featup_downsample import Blur as Blur
from unstride.upsamplers.published import load_published as load_published
from unstride.upsamplers.sapa import SAPA as SAPA
from unstride.upsamplers.spatial_attention import SpatialAttention as SpatialAttention
from unstride.analysis.footprint import Footprint as Footprint
from unstride.analysis.footprint import footprint as footprint
from unstride.analysis.footprint import recorded as recorded
from unstride.analysis.footprint import trace as trace

UPSAMPLERS: dict[str, Callable[..., Upsampler]] = {
    "nearest": Nearest,
    "bilinear": Bilinear,
    "bicubic": Bicubic,
    "nearest_conv": NearestConvolution,
    "bilinear_conv": BilinearConvolution,
    "deconv": Deconvolution,
    "pixel_shuffle": PixelShuffle,
    "carafe": CarafeUpsample,
    "spatial_attention": SpatialAttention,
    "a2u": A2UUpsample,
    "dysample": DySample,
    "gum": GuidedUpsamplingModule,
    "index": IndexUpsample,
    "max_unpool": MaxUnpool,
    "sapa": SAPA,
    "fade": FADE,
    "guided_filter": GuidedFilter,
    "joint_bilateral": JointBilateral,
    "featup_jbu": featup_jbu,
    "naf": NAF,
    "anyup": AnyUp,
}

# Fitted to each image, and so made by other means: `unstride.fit_implicit`.
FITTED: dict[str, str] = {
    "featup_implicit": "Not convex: a network of place and colour, fitted to each image.",
}

DOWNSAMPLERS: dict[str, Callable[..., Downsampler]] = {
    "max_pool": MaxPool,
    "blur": Blur,
    "attention_pool": AttentionPool,
    "carafe_down": CarafeDownsample,
    "a2u_down": A2UDownsample,
    "index_down": IndexDownsample,
}

PAIRS: dict[str, Callable[..., nn.Module]] = {"a2u": A2UPair, "index": IndexPair}


def create_upsampler(
    name: str,
    channels: int,
    scale: int = 2,
    *,
    guide_channels: int | None = None,
    stages: int = 1,
    **options,
) -> Upsampler:
    """An upsampler by its name, called as `up(features, guide=None, size=None)`.

    Args:
        name: one of `list_upsamplers()`.
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, where no size is given.
        guide_channels: channels of the guide, for upsamplers that take one; by default 3, an
            image, or as many as the features where the method takes features of an encoder.
        stages: in how many steps, each of the same scale; the published operators of scale 2
            reach 16 in four.
        options: of that upsampler.

    Raises:
        ValueError: if there is no such upsampler, or the stages do not multiply to the scale.
    """
    if name in FITTED:
        raise ValueError(
            f"upsampler {name!r} is fitted to each image: use unstride.fit_implicit(backbone, "
            f"images), or unstride upsample --upsampler {name}"
        )
    if name not in UPSAMPLERS:
        raise ValueError(f"upsampler must be one of {', '.join(UPSAMPLERS)}, got {name!r}")
    make = UPSAMPLERS[name]
    if guide_channels is not None and "guide_channels" in signature(make).parameters:
        options["guide_channels"] = guide_channels
    if stages < 1:
        raise ValueError(f"stages must be at least 1, got {stages}")
    if stages == 1:
        return make(channels, scale, **options)
    step = round(scale ** (1 / stages))
    if step**stages != scale:
        raise ValueError(f"scale must be a whole number to the power of stages={stages}: {scale}")
    return Cascade(*(make(channels, step, **options) for _ in range(stages)))


def list_upsamplers() -> list[str]:
    """The names that `create_upsampler` knows."""
    return list(UPSAMPLERS)


def create_downsampler(name: str, channels: int, scale: int = 2, **options) -> Downsampler:
    """A downsampler by its name, called as `down(features, size=None)`.

    Args:
        name: one of `list_downsamplers()`.
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, where no size is given.
        options: of that downsampler.

    Raises:
        ValueError: if there is no such downsampler.
    """
    if name not in DOWNSAMPLERS:
        raise ValueError(f"downsampler must be one of {', '.join(DOWNSAMPLERS)}, got {name!r}")
    return DOWNSAMPLERS[name](channels, scale, **options)


def list_downsamplers() -> list[str]:
    """The names that `create_downsampler` knows."""
    return list(DOWNSAMPLERS)


def create_pair(down: str, up: str, channels: int, scale: int = 2, **options) -> nn.Module:
    """A step down and the step up again, called as `pair(fine, body=None)`.

    "index_down" with "index" and "a2u_down" with "a2u" share one predictor, which sees the
    fine features once. Any other two are put together as they are.

    Args:
        down: one of `list_downsamplers()`.
        up: one of `list_upsamplers()`.
        channels: channels c of the features.
        scale: between the two grids.
        options: of the upsampler, or of a pair that shares its predictor.
    """
    if up in PAIRS and down == f"{up}_down":
        return PAIRS[up](channels, scale, **options)
    return Pair(
        create_downsampler(down, channels, scale),
        create_upsampler(up, channels, scale, guide_channels=channels, **options),
    )
