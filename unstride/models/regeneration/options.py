"""Options of regeneration, as one line of the command line or a mapping in YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from unstride.models.regeneration.modules import Combination, Norm
from unstride.models.regeneration.redaction import create_redaction
from unstride.saving.argument_checks import check_fields
from unstride.saving.argument_ranges import (
    Finite,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)
from unstride.upsamplers.from_words import parse_options


@dataclass(frozen=True, kw_only=True)
class RegenerationOptions:
    """How images are regenerated, and what it is worth.

    The defaults are ours where the paper's values are not known.

    Args:
        redaction: what is taken out of images, see `create_redaction`.
        redaction_options: options of the redaction, such as {"block": 8}.
        module: forward (a stack of layers) or recursive (one layer again and again).
        steps: steps of the recursive module.
        width: channels of the module's layers.
        blocks: layers of the forward module.
        norm: batch or group. Default: batch for forward, group for recursive.
        combination: how the module takes the prediction: concatenate or multiply.
        resolution: regenerate at this share of the images' sides, up to 1. Smaller is faster.
        ratio: norm of regeneration's gradient at the prediction, relative to that of the other
            losses. It is held while training. None: `weight` scales the gradient.
        weight: scale of the gradient, if there is no ratio.
        warm_in: share of the training steps in which the gradient rises from 0.
        temperature: of the softmax that turns logits into the condition.
        lpips: weight of the perceptual loss beside the mean squared error.
        lpips_network: alex, squeeze or vgg.
        lpips_weights: state dict of torchvision's network of that name. Default: download it.
        clip: weight of text supervision: the squared difference of CLIP's image features, or of
            their similarities to the classes if the network predicts classes.
        clip_weights: name or folder of a CLIP model of transformers.
        cycle: weight of the cycle loss: the network's prediction for the regenerated image should
            be that for the image.
        control: none; detached: the network gets no gradient; shuffled: each image is regenerated
            from the prediction for another one.

    Raises:
        ValueError: if an option has an impossible value.
    """

    redaction: str = "random_blocks"
    redaction_options: Mapping[str, float] = field(default_factory=dict)
    module: Literal["forward", "recursive"] = "forward"
    steps: PositiveInt = 4
    width: PositiveInt = 32
    blocks: PositiveInt = 3
    norm: Norm | None = None
    combination: Combination = "concatenate"
    resolution: Annotated[float, Finite(above=0.0, maximum=1.0)] = 1.0
    ratio: NonNegativeFloat | None = 0.1
    weight: NonNegativeFloat = 1.0
    warm_in: Fraction = 0.1
    temperature: PositiveFloat = 1.0
    lpips: NonNegativeFloat = 0.0
    lpips_network: Literal["alex", "squeeze", "vgg"] = "alex"
    lpips_weights: Path | None = None
    clip: NonNegativeFloat = 0.0
    clip_weights: str = "openai/clip-vit-base-patch32"
    cycle: NonNegativeFloat = 0.0
    control: Literal["none", "detached", "shuffled"] = "none"

    def __post_init__(self) -> None:
        """Check the values."""
        create_redaction(self.redaction, **self.redaction_options)
        check_fields(self)

    @property
    def module_options(self) -> dict[str, Any]:
        """The keyword arguments of the module's class."""
        depth = {"steps": self.steps} if self.module == "recursive" else {"blocks": self.blocks}
        norm = {"norm": self.norm} if self.norm else {}
        return {"width": self.width, "combination": self.combination} | depth | norm


def regeneration_options(given: str | Mapping[str, Any]) -> RegenerationOptions:
    """Options from one line, such as "redaction=band_stop,low=0.1,ratio=0.2", or from a mapping.

    A word alone is the redaction: "checkerboard,block=8". Names that are not those of
    `RegenerationOptions` are options of the redaction.

    Raises:
        ValueError: if an option does not exist or has an impossible value.
    """
    if isinstance(given, str):
        first, comma, rest = given.partition(",")
        given = given if "=" in first else f"redaction={first}{comma}{rest}"
        given = parse_options(given, "regenerate")
    known = {f.name for f in fields(RegenerationOptions)}
    options = {name: value for name, value in given.items() if name in known}
    of_redaction = {name: value for name, value in given.items() if name not in known}
    of_redaction |= options.pop("redaction_options", {})
    if weights := options.get("lpips_weights"):
        options["lpips_weights"] = Path(weights)
    try:
        return RegenerationOptions(redaction_options=of_redaction, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"regenerate: {error}") from None
