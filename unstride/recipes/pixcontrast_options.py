"""Options of PixContrast."""

from dataclasses import dataclass
from pathlib import Path

from unstride.losses.pixpro import TEMPERATURE, EmptyPairs
from unstride.recipes.pixel_matching_options import PixelMatchingOptions
from unstride.training.options import PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Options(PixelMatchingOptions):
    """Pretrain a backbone with PixContrast, on images without labels.

    Output:

    - OUT/backbone.safetensors: the backbone in timm's layout, for `--backbone-weights`.
    - OUT/card.json: options, commit, loss curve, monitors and probes.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses and monitors (docs/pixpro.md).

    Args:
        temperature: of the cosines.
        empty_pairs: images whose views have no match count as zero, or are excluded.
    """

    out: Path = Path("runs/pixcontrast")
    temperature: PositiveFloat = TEMPERATURE
    empty_pairs: EmptyPairs = "exclude"
