"""Options of PixContrast."""

from dataclasses import dataclass
from pathlib import Path

from unstride.losses.pixpro import TEMPERATURE, EmptyPairs
from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.training.options import check_at_least


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
    threshold: float = 0.7
    strict: bool = True
    temperature: float = TEMPERATURE
    empty_pairs: EmptyPairs = "exclude"

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_at_least(self, 0, "threshold")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")
