"""Creates featup_jbu in its variants, with the weights that come with this package."""

from collections.abc import Callable
from importlib.resources import files

from safetensors.torch import load

from unstride.saving.argument_checks import check_option_names, checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.bilateral_stack import BilateralStack
from unstride.upsamplers.featup import FeatUpStack

VARIANTS: dict[str, Callable[..., Upsampler]] = {"default": BilateralStack, "paper": FeatUpStack}
PRETRAINED_SCALES = {  # weights of the paper's variant, by training backbone and stride: scale
    "tf_efficientnet_lite0_stride32": 8,
    "tf_efficientnet_lite0_stride16": 4,
    "tf_efficientnet_lite2_stride32": 8,
}


@checked
def featup_jbu(
    channels: PositiveInt,
    scale: PositiveInt = 16,
    *,
    variant: str = "default",
    pretrained: bool | str = True,
    **options,
) -> Upsampler:
    """FeatUp's learned joint bilateral stack; convex in the default variant, not in the paper's.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        variant: "paper" for the published stack, or "default" for the form of it that measured
            best here (docs/featup.md).
        pretrained: whether to load the weights that come with this package, which work for
            features of any number of channels. The default's were trained on segments of BSDS500
            (non-commercial research) and COCO, on top of an encoder trained on ImageNet
            (non-commercial research); see unstride/weights/README.md. The paper's variant has
            several, named by the backbone and stride whose features they were trained on:
            "tf_efficientnet_lite0_stride32", which True stands for,
            "tf_efficientnet_lite0_stride16", "tf_efficientnet_lite2_stride32".
        options: keyword arguments of the variant's class.

    Raises:
        ValueError: if there is no such variant, weights or option, or if the weights do not fit the
            options.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    check_option_names(VARIANTS[variant], options, f"featup_jbu of variant {variant}")
    if not pretrained:
        return VARIANTS[variant](channels, scale, **options)
    weights = _weights_name(variant, pretrained)
    if variant == "paper":
        scale, options = PRETRAINED_SCALES[weights], {"mix": False} | options
        weights = f"paper_{weights}"
    upsampler = VARIANTS[variant](channels, scale, **options)
    file = files("unstride") / "weights" / f"featup_jbu_{weights}.safetensors"
    try:
        upsampler.load_state_dict(load(file.read_bytes()))
    except RuntimeError:
        shown = ", ".join(f"{name}={value}" for name, value in options.items())
        raise ValueError(
            f"pretrained must be False with {shown}: the packaged weights do not fit"
        ) from None
    return upsampler


def _weights_name(variant: str, pretrained: bool | str) -> str:
    """Which of the packaged weights of a variant are meant."""
    if variant != "paper":
        if pretrained is not True:
            raise ValueError(f"pretrained must be true or false for {variant}, got {pretrained!r}")
        return variant
    weights = next(iter(PRETRAINED_SCALES)) if pretrained is True else str(pretrained)
    if weights not in PRETRAINED_SCALES:
        raise ValueError(
            f"pretrained must be one of {', '.join(PRETRAINED_SCALES)}, got {pretrained!r}"
        )
    return weights
