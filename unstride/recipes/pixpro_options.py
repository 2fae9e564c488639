"""Options of PixPro."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from unstride.losses.pixpro import EmptyPairs
from unstride.recipes.pixel_matching_options import PixelMatchingOptions
from unstride.training.options import NonNegativeFloat, PositiveFloat, Whole


@dataclass(frozen=True, kw_only=True)
class Options(PixelMatchingOptions):
    """Pretrain a backbone with PixPro, on images without labels.

    Output:

    - OUT/backbone.safetensors: the backbone in timm's layout, for `--backbone-weights`.
    - OUT/card.json: options, commit, loss curve, monitors and probes.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses and monitors (docs/pixpro.md).

    Args:
        gamma: sharpness of the propagation's similarity.
        propagation_layers: layers of the propagation's transform: 0, 1 or 2.
        propagation: propagate cells. Without it the features collapse.
        loss_scale: factor of the loss of each direction: 2 in the released code, 1 in the paper.
        empty_pairs: images whose views have no match count as zero, or are excluded.
        instance_weight: weight of the instance branch. The paper's is 1.
        instance_branch: byol (the released code) or simclr (the paper).
    """

    out: Path = Path("runs/pixpro")
    gamma: PositiveFloat = 2.0
    propagation_layers: Annotated[int, Whole(0, 2)] = 1
    propagation: bool = True
    loss_scale: PositiveFloat = 2.0
    empty_pairs: EmptyPairs = "zero"
    instance_weight: NonNegativeFloat = 0.0
    instance_branch: Literal["byol", "simclr"] = "byol"
