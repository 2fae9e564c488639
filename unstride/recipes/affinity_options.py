"""Options of the affinity recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unstride.training.options import PositiveFloat, PositiveInt, RunOptions, Whole


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Train the keys of featup_jbu's default variant, on segments that people drew.

    Output:

    - OUT/upsampler.safetensors: the upsampler's weights in float16.
    - OUT/upsampler: the upsampler as a folder for `from_pretrained`.
    - OUT/card.json: options, commit, loss curve and the likelihoods on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.

    Args:
        bsds: folder of BSDS500. Trains on its train split and validates on its val split.
        coco: folder of COCO with panoptic PNGs, to train on train2017 too. Default: BSDS500 only.
        crop_size: side of a crop in pixels, a multiple of 16.
        learning_rate: initial learning rate of AdamW. It decays to zero with a cosine.
    """

    bsds: Path
    coco: Path | None = None
    out: Path = Path("runs/affinity")
    steps: PositiveInt = 1500
    batch_size: PositiveInt = 6
    crop_size: Annotated[int, Whole(16, multiple_of=16)] = 256
    learning_rate: PositiveFloat = 2e-3
