"""Options of a fit of FeatUp's implicit network, and the sets of them that have a name.

"paper" is Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, and where that is silent its code,
commit 6b5a6c0; "released" is that code. Both with what is always different here: channels are
standardised before PCA, gradients are clipped to length 1, and the magnitude is read off the
features, where the code fits a channel of its own to it.
"""

from dataclasses import dataclass, replace
from dataclasses import replace

POSITIVE_OPTIONS = (
    "steps", "patience", "views", "held_out", "drawn", "components", "fineness", "samples",
)  # fmt: skip


@dataclass(frozen=True)
class ImplicitOptions:
    """How a network is fitted.

    Args:
        start: "bilinear": the network adds to bilinear's features, at first nothing; "nothing":
            it says all, as published.
        steps: of the optimiser, at most.
        patience: looks at the held-out views, 20 steps apart, without an error 0.5 % lower than
            the lowest before, after which the fit ends; the result is that of the lowest.
        views: of the image to learn from.
        held_out: views to stop by, beside those.
        drawn: views in a step.
        pad: how far views reach beyond the image, in cells of the backbone's grid.
        zoom: greatest magnification of a view.
        components: of the features, by PCA of standardised channels.
        highest: exponent of the network's highest frequency; the lowest is exp(-2).
        dropout: share of the network's channels.
        fineness: pixels of the network's map to a cell, along each axis.
        comb: whether a step looks at single pixels of the image, anew each time, so that any
            resolution can be asked for; or, as published, always at averages of them.
        samples: of that map to a cell of a view, along each axis.
        downsampler: from the samples to the view's cells: "blur" or "attention_pool".
        kernel: side of the downsampler's window, in cells.
        smoothness: weight of the total variation of the features' magnitude.
        pin: weight of the squared difference between the map and its blur.
        learning_rate: of NAdam.
    """

    start: str = "bilinear"
    steps: int = 200
    patience: int = 4
    views: int = 128
    held_out: int = 16
    drawn: int = 6
    pad: float = 1.0
    zoom: float = 1.8
    components: int = 128
    highest: float = 6.0
    dropout: float = 0.1
    fineness: int = 8
    comb: bool = True
    samples: int = 4
    downsampler: str = "blur"
    kernel: float = 1.0
    smoothness: float = 0.05
    pin: float = 0.0
    learning_rate: float = 5e-3

    def __post_init__(self):
        if self.start not in ("bilinear", "nothing"):
            raise ValueError(f"start must be bilinear or nothing, got {self.start!r}")
        if self.downsampler not in ("blur", "attention_pool"):
            raise ValueError(
                f"downsampler must be blur or attention_pool, got {self.downsampler!r}"
            )
        if self.zoom < 1:
            raise ValueError(f"zoom must be at least 1, got {self.zoom}")
        for name in POSITIVE_OPTIONS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


PAPER_OPTIONS = ImplicitOptions(
    start="nothing", steps=1200, views=3000, drawn=10, pad=1.9, highest=10.0, comb=False,
    kernel=1.8, learning_rate=2e-3,
)  # fmt: skip
VARIANTS = {
    "default": ImplicitOptions(),
    "paper": PAPER_OPTIONS,
    "released": replace(PAPER_OPTIONS, dropout=0.2, pin=0.1, downsampler="attention_pool"),
}


def variant_options(variant: str, options: dict) -> ImplicitOptions:
    """A variant with some options changed."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    known = ImplicitOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise ValueError(f"options must be of {', '.join(known)}, got {name!r}")
    return replace(VARIANTS[variant], **options)
