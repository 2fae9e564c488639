"""featup_jbu, by its variants and with the weights that come with this package."""

from collections.abc import Callable
from importlib.resources import files

from safetensors.torch import load

from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.bilateral_stack import BilateralStack
from unstride.upsamplers.featup import FeatUpStack

VARIANTS: dict[str, Callable[..., Upsampler]] = {"default": BilateralStack, "paper": FeatUpStack}
PRETRAINED_SCALES = {  # the paper's variant, by what it was trained behind, and its scale
    "tf_efficientnet_lite0_stride32": 8,
    "tf_efficientnet_lite0_stride16": 4,
    "tf_efficientnet_lite2_stride32": 8,
}


def featup_jbu(
    channels: int,
    scale: int = 16,
    *,
    variant: str = "default",
    pretrained: bool | str = True,
    **options,
) -> Upsampler:
    """FeatUp's learned joint bilateral stack; convex in the default variant, not in the paper's.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        variant: "paper" for the published stack, "default" for the form of it that measured
            best here (docs/featup.md).
        pretrained: with the weights that come with this package, which apply to features of
            any number of channels. Of the paper's variant there are several, by the backbone
            and stride whose features they were trained on: "tf_efficientnet_lite0_stride32",
            which is meant by True, "tf_efficientnet_lite0_stride16",
            "tf_efficientnet_lite2_stride32".
        options: of the variant's class.

    Raises:
        ValueError: if there is no such variant, or no such weights, or they are of another shape.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    if not pretrained:
        return VARIANTS[variant](channels, scale, **options)
    name = variant
    if variant == "paper":
        trained = next(iter(PRETRAINED_SCALES)) if pretrained is True else pretrained
        if trained not in PRETRAINED_SCALES:
            raise ValueError(
                f"pretrained must be one of {', '.join(PRETRAINED_SCALES)}, got {trained!r}"
            )
        name, scale = f"paper_{trained}", PRETRAINED_SCALES[trained]
        options = {"mix": False} | options
    elif pretrained is not True:
        raise ValueError(f"pretrained must be true or false for {variant}, got {pretrained!r}")
    upsampler = VARIANTS[variant](channels, scale, **options)
    file = files("unstride") / "weights" / f"featup_jbu_{name}.safetensors"
    try:
        upsampler.load_state_dict(load(file.read_bytes()))
    except RuntimeError:
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        raise ValueError(f"pretrained must be False with {given}: other weights") from None
    return upsampler
