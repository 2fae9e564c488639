"""Upsamplers, downsamplers and pairs by their names on the command line and in config.json."""

from collections.abc import Callable
from inspect import signature

from unstride.saving.argument_checks import check_option_names, checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.saving.configuration import register, register_variant
from unstride.upsamplers.a2u import A2UDownsample, A2UPair, A2UUpsample
from unstride.upsamplers.anyup import AnyUp
from unstride.upsamplers.base import Downsampler, Upsampler
from unstride.upsamplers.carafe import CarafeDownsample, CarafeUpsample
from unstride.upsamplers.cascade import NAME as CASCADE
from unstride.upsamplers.cascade import Cascade
from unstride.upsamplers.convolution import (
    BilinearConvolution,
    Deconvolution,
    NearestConvolution,
    PixelShuffle,
)
from unstride.upsamplers.dysample import DySample
from unstride.upsamplers.fade import FADE
from unstride.upsamplers.featup_downsample import AttentionPool, Blur
from unstride.upsamplers.featup_implicit import FeatUpImplicit
from unstride.upsamplers.featup_variants import VARIANTS, featup_jbu
from unstride.upsamplers.guided_filter import GuidedFilter
from unstride.upsamplers.gum import GuidedUpsamplingModule
from unstride.upsamplers.index import IndexDownsample, IndexPair, IndexUpsample
from unstride.upsamplers.interpolation import Bicubic, Bilinear, Nearest
from unstride.upsamplers.joint_bilateral import JointBilateral
from unstride.upsamplers.max_pooling import MaxPool, MaxUnpool
from unstride.upsamplers.naf import NAF
from unstride.upsamplers.pair import Pair
from unstride.upsamplers.sapa import SAPA
from unstride.upsamplers.spatial_attention import SpatialAttention

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

# Fitted to each image, so `unstride.fit_implicit` creates them instead of `create_upsampler`.
FITTED_PER_IMAGE: dict[str, str] = {
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

PAIRS: dict[str, Callable[..., Pair]] = {"a2u": A2UPair, "index": IndexPair}

# So that `save_pretrained` and `from_pretrained` find them.
register(UPSAMPLERS | {CASCADE: Cascade, FeatUpImplicit.__name__: FeatUpImplicit})
for _name, _class in VARIANTS.items():
    # A saved folder has tensors of its own, so the packaged ones are not loaded.
    register_variant(_class, "featup_jbu", {"variant": _name, "pretrained": False})


@checked
def create_upsampler(
    name: str,
    channels: PositiveInt,
    scale: PositiveInt = 2,
    *,
    guide_channels: PositiveInt | None = None,
    stages: PositiveInt = 1,
    **options,
) -> Upsampler:
    """Create an upsampler by name, called as `up(features, guide=None, size=None)`.

    Args:
        name: one of `list_upsamplers()`.
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: channels of the guide, for upsamplers that take one. Default: 3, an
            image; or `channels`, if the method takes features of an encoder.
        stages: number of steps, all of the same scale; the published operators of scale 2
            reach scale 16 in four.
        options: keyword arguments of that upsampler.

    Raises:
        ValueError: if there is no such upsampler or option, an option is out of its range, or the
            stages do not multiply to the scale.
    """
    if name in FITTED_PER_IMAGE:
        raise ValueError(
            f"upsampler {name!r} is fitted to each image: use unstride.fit_implicit(backbone, "
            f"images), or unstride upsample --upsampler {name}"
        )
    if name not in UPSAMPLERS:
        raise ValueError(f"upsampler must be one of {', '.join(UPSAMPLERS)}, got {name!r}")
    factory = UPSAMPLERS[name]
    check_option_names(factory, options, f"upsampler {name}")
    if guide_channels is not None and "guide_channels" in signature(factory).parameters:
        options["guide_channels"] = guide_channels
    if stages == 1:
        return factory(channels, scale, **options)
    step = _stage_scale(scale, stages)
    return Cascade(*(factory(channels, step, **options) for _ in range(stages)))


def _stage_scale(scale: int, stages: int) -> int:
    step = round(scale ** (1 / stages))
    if step**stages != scale:
        raise ValueError(
            f"scale must be a whole number to the power of stages={stages}, got {scale}"
        )
    return step


def list_upsamplers() -> list[str]:
    """The names that `create_upsampler` accepts."""
    return list(UPSAMPLERS)


@checked
def create_downsampler(
    name: str, channels: PositiveInt, scale: PositiveInt = 2, **options
) -> Downsampler:
    """Create a downsampler by name, called as `down(features, size=None)`.

    Args:
        name: one of `list_downsamplers()`.
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        options: keyword arguments of that downsampler.

    Raises:
        ValueError: if there is no such downsampler or option, or an option is out of its range.
    """
    if name not in DOWNSAMPLERS:
        raise ValueError(f"downsampler must be one of {', '.join(DOWNSAMPLERS)}, got {name!r}")
    check_option_names(DOWNSAMPLERS[name], options, f"downsampler {name}")
    return DOWNSAMPLERS[name](channels, scale, **options)


def list_downsamplers() -> list[str]:
    """The names that `create_downsampler` accepts."""
    return list(DOWNSAMPLERS)


@checked
def create_pair(
    down: str, up: str, channels: PositiveInt, scale: PositiveInt = 2, **options
) -> Pair:
    """Create a downsampler with its upsampler, called as `pair(fine, body=None)`.

    "index_down" with "index" and "a2u_down" with "a2u" share one predictor, which runs once on
    the fine features. Any other two are combined as they are.

    Args:
        down: one of `list_downsamplers()`.
        up: one of `list_upsamplers()`.
        channels: channels c of the features.
        scale: between the two grids.
        options: keyword arguments of the upsampler, or of a pair that shares its predictor.

    Raises:
        ValueError: if there is no such upsampler, downsampler or option, or an option is out of its
            range.
    """
    if up in PAIRS and down == f"{up}_down":
        check_option_names(PAIRS[up], options, f"pair {down}, {up}")
        return PAIRS[up](channels, scale, **options)
    return Pair(
        create_downsampler(down, channels, scale),
        create_upsampler(up, channels, scale, guide_channels=channels, **options),
    )
