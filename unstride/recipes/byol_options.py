"""Options of BYOL."""

from dataclasses import dataclass
from pathlib import Path

from unstride.recipes.pretraining_options import PretrainingOptions


@dataclass(frozen=True, kw_only=True)
class Options(PretrainingOptions):
    """Pretrain a backbone with BYOL, on images without labels.

    Output:

    - OUT/backbone.safetensors: the backbone in timm's layout, for `--backbone-weights`.
    - OUT/card.json: options, commit, loss curve, monitors and probes.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses and monitors (docs/pixpro.md).
    """

    out: Path = Path("runs/byol")
