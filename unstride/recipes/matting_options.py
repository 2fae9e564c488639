"""Options of matting."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unstride.training.options import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PixelSize,
    PositiveFloat,
    PositiveInt,
    RunOptions,
)


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Train a network that predicts alpha mattes, on cut-outs over photographs.

    Output:

    - OUT/model: the network, for `unstride matte --model OUT/model`.
    - OUT/card.json: options, commit, loss curve and errors on the validation images.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, and mattes of validation images.

    Args:
        foregrounds: cut-outs, which are image files with alpha, folders or globs.
        backgrounds: photographs for the background: files, folders or globs.
        val_data: folder with images/, alpha/ and trimaps to measure on. Default: none.
        val_trimaps: name of the folder of trimaps in it.
        model: a2u_net or index_net.
        model_options: options of the network, for example {width: 16, down: max_pool, up: carafe}.
        size: height and width of the composites, in pixels.
        trimap_widths: smallest and largest width of the unknown region beyond soft pixels.
        pair_share: share of composites that show two foregrounds.
        alpha_weight: weight of the error of alpha in the unknown region.
        composition_weight: weight of the error of the colours that alpha composes.
        gradient_weight: weight of the error of alpha's slopes.
        laplacian_weight: weight of the error of alpha's Laplacian pyramid.
        learning_rate: of Adam. The papers have 0.01, a hundredth of it for a pretrained encoder.
        lr_schedule: constant, or cosine: the learning rate falls to 0.
        warmup_steps: number of steps in which the learning rate rises from a hundredth of it. Only
            with cosine.
        val_every: steps between two measurements.
        val_limit: number of validation images, spread over them. Default: all.
        save_every: steps between two checkpoints.
    """

    foregrounds: list[str] | str
    backgrounds: list[str] | str
    out: Path = Path("runs/matting")
    val_data: Path | None = None
    val_trimaps: str = "trimaps"
    steps: PositiveInt = 100_000
    batch_size: PositiveInt = 16
    model: str = "a2u_net"
    model_options: dict[str, Any] = field(default_factory=dict)
    size: PixelSize = (320, 320)
    trimap_widths: Sequence[NonNegativeInt] = (1, 29)
    pair_share: Fraction = 0.5
    alpha_weight: NonNegativeFloat = 0.5
    composition_weight: NonNegativeFloat = 0.5
    gradient_weight: NonNegativeFloat = 0.0
    laplacian_weight: NonNegativeFloat = 0.0
    learning_rate: PositiveFloat = 1e-3
    lr_schedule: Literal["constant", "cosine"] = "cosine"
    warmup_steps: NonNegativeInt = 0
    val_every: PositiveInt = 1000
    val_limit: PositiveInt | None = None
    save_every: PositiveInt = 100

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        widths = tuple(self.trimap_widths)
        if len(widths) != 2 or widths[0] > widths[1]:
            raise ValueError(f"trimap_widths must be [smallest, largest], got {list(widths)}")
