"""Options of DenseCL."""

from dataclasses import dataclass
from pathlib import Path

from unstride.losses.densecl import TEMPERATURE
from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.training.options import Fraction, PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class Options(PretrainingOptions):
    """Pretrain a backbone with DenseCL, on images without labels.

    Output:

    - OUT/backbone.safetensors: the backbone in timm's layout, for `--backbone-weights`.
    - OUT/card.json: options, commit, loss curve, monitors and probes.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses and monitors (docs/pixpro.md).

    Args:
        queue_length: number of negatives in each of the two queues.
        dense_weight: share of the cells' loss; the rest is that of whole images.
        temperature: of the cosines.
    """

    out: Path = Path("runs/densecl")
    queue_length: PositiveInt = 65536
    dense_weight: Fraction = 0.5
    temperature: PositiveFloat = TEMPERATURE

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.neck != "none":
            raise ValueError(f"neck must be none for densecl, got {self.neck}")
