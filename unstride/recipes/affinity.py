"""Affinity: trains the pixel keys of an upsampler on segments that people drew.

    unstride fit affinity --config affinity --bsds BSDS --coco COCO

For each pair of neighbouring pixels p, q at stride 4, exp(-d^2 / 2) is the predicted probability
that both lie in one segment. d is the distance between what the smoothing of `BilateralStack`
compares: colours in units of their width, and keys. Training maximises the likelihood of what
people drew. Pairs within a segment and pairs across a border have the same total weight. No class
is learned and no backbone's features are used, so the result works for any backbone. The idea is
that of learned affinities (Maire et al., "Affinity CNN", CVPR 2016, arXiv:1512.02767; Ahn and
Kwak, "AffinityNet", CVPR 2018, arXiv:1803.10464); the loss is ours.

Time: 0.3 hours for 1,500 steps on one core of a two-core AVX-512 server. Expected results are in
docs/featup.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import create_dataset
from unstride.datasets.segment_crops import SegmentCrops
from unstride.recipes.affinity_learner import AffinityLearner
from unstride.training.options import PositiveFloat, PositiveInt, RunOptions, Whole
from unstride.training.run import Run

STATISTICS_IMAGES = 40  # images of each data set from which means and deviations are computed
VAL_CROPS = 60  # crops of the validation split that are scored


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


def fit(options: Options) -> None:
    """Train the keys."""
    run = Run(options, log_every_n_steps=10, limit_val_batches=0)
    datasets = [create_dataset("bsds", options.bsds, "train")]
    if options.coco:
        datasets.append(create_dataset("coco_panoptic", options.coco, "train"))
    val_dataset = create_dataset("bsds", options.bsds, "val")
    size, seed = options.crop_size, options.seed
    length = options.steps * options.batch_size * options.devices
    loader = {"batch_size": options.batch_size, "num_workers": options.workers}
    train_crops = SegmentCrops(datasets, size, length=length, seed=seed)
    val_crops = SegmentCrops([val_dataset], size, length=VAL_CROPS, seed=seed)
    train_loader = StatefulDataLoader(train_crops, **loader)
    val_loader = StatefulDataLoader(val_crops, **loader)
    learner = AffinityLearner(steps=options.steps, learning_rate=options.learning_rate)
    subsets = [evenly_spaced_subset(dataset, STATISTICS_IMAGES) for dataset in datasets]
    learner.set_statistics([subset[i][0] for subset in subsets for i in range(len(subset))])

    run.fit(learner, train_loader)
    run.trainer.limit_val_batches = 1.0
    scores = run.validate(learner, val_loader)
    run.write_results(
        "affinity of pixels in human segmentations", learner.upsampler, 1,
        after=scores, curve=learner.loss_curve,
    )  # fmt: skip
