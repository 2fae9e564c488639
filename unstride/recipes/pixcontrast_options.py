"""Options of PixContrast."""

from dataclasses import dataclass
from pathlib import Path

from unstride.losses.pixpro import TEMPERATURE, EmptyPairs
from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.training.options import PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Options(PretrainingOptions):
    """Pretrain a backbone with PixContrast, on images without labels.

    Output:

    - OUT/backbone.safetensors: the backbone in timm's layout, for `--backbone-weights`.
    - OUT/card.json: options, commit and loss curve.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses and monitors (docs/pixpro.md).

    Args:
        threshold: largest distance of cells that match, in diagonals of a cell.
        strict: a distance of exactly the threshold is too much; in the paper it is not.
        temperature: of the cosines.
        empty_pairs: images whose views have no match count as zero, or are excluded.
    """

    out: Path = Path("runs/pixcontrast")
    threshold: PositiveFloat = 0.7
    strict: bool = True
    temperature: PositiveFloat = TEMPERATURE
    empty_pairs: EmptyPairs = "exclude"
