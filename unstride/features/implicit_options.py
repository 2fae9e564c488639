"""Options for fitting FeatUp's implicit network, and named sets of them.

"paper" is Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, and its code, commit 6b5a6c0, where
the paper is silent; "released" is that code. Three things always differ here: channels are
standardised before PCA, gradients are clipped to length 1, and the magnitude is computed from the
features, where the code fits a separate channel to it.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from unstride.saving.argument_checks import check_fields
from unstride.saving.argument_ranges import (
    DropoutRate,
    Finite,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)
from unstride.upsamplers.featup_implicit import LogFrequency


@dataclass(frozen=True)
class ImplicitOptions:
    """How the network is fitted to an image.

    Args:
        base: what the network adds to. "bilinear": it adds to bilinearly upsampled features and
            starts at zero; "nothing": it predicts the whole features, as published.
        steps: maximum number of optimiser steps.
        patience: the fit ends after this many checks in a row, 20 steps apart, without a held-out
            error at least 0.5 % below the lowest before. The state with the lowest error is kept.
        views: views of the image to learn from.
        held_out: additional views for early stopping.
        views_per_step: views drawn in each step.
        pad: how far views reach beyond the image, in cells of the backbone's grid.
        zoom: largest magnification of a view.
        components: number of features after PCA of the standardised channels.
        max_log_frequency: natural logarithm of the network's highest frequency; the lowest
            frequency is exp(-2).
        dropout: share of the network's channels that are dropped.
        pixels_per_cell: pixels of the network's map per cell, along each axis.
        sample_pixels: whether each step evaluates the network at single pixels of the image,
            different ones in each step, so that it can be evaluated at any resolution; otherwise
            always at averages of pixels, as published.
        samples: samples of the map per cell of a view, along each axis.
        downsampler: from the samples to the view's cells: "blur" or "attention_pool".
        kernel_cells: side of the downsampler's window, in cells.
        smoothness: weight of the total variation of the features' magnitude.
        blur_weight: weight of the squared difference between the map and its blurred copy.
        learning_rate: of NAdam.
    """

    base: Literal["bilinear", "nothing"] = "bilinear"
    steps: PositiveInt = 200
    patience: PositiveInt = 4
    views: PositiveInt = 128
    held_out: PositiveInt = 16
    views_per_step: PositiveInt = 6
    pad: NonNegativeFloat = 1.0
    zoom: Annotated[float, Finite(minimum=1.0)] = 1.8
    components: PositiveInt = 128
    max_log_frequency: LogFrequency = 6.0
    dropout: DropoutRate = 0.1
    pixels_per_cell: PositiveInt = 8
    sample_pixels: bool = True
    samples: PositiveInt = 4
    downsampler: Literal["blur", "attention_pool"] = "blur"
    kernel_cells: PositiveFloat = 1.0
    smoothness: NonNegativeFloat = 0.05
    blur_weight: NonNegativeFloat = 0.0
    learning_rate: NonNegativeFloat = 5e-3

    def __post_init__(self):
        check_fields(self)


PAPER_OPTIONS = ImplicitOptions(
    base="nothing", steps=1200, views=3000, views_per_step=10, pad=1.9, max_log_frequency=10.0,
    sample_pixels=False, kernel_cells=1.8, learning_rate=2e-3,
)  # fmt: skip
VARIANTS = {
    "default": ImplicitOptions(),
    "paper": PAPER_OPTIONS,
    "released": replace(PAPER_OPTIONS, dropout=0.2, blur_weight=0.1, downsampler="attention_pool"),
}


def variant_options(variant: str, options: dict) -> ImplicitOptions:
    """The options of a variant, with some of them replaced.

    Raises:
        ValueError: if there is no such variant or option.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    names = ImplicitOptions.__dataclass_fields__
    for name in options:
        if name not in names:
            raise ValueError(f"options must be among {', '.join(names)}, got {name!r}")
    return replace(VARIANTS[variant], **options)
