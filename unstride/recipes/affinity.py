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

from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import create_dataset
from unstride.datasets.segment_crops import SegmentCrops
from unstride.recipes.affinity_learner import AffinityLearner
from unstride.recipes.affinity_options import Options as Options
from unstride.training.run import Run

STATISTICS_IMAGES = 40  # images of each data set from which means and deviations are computed
VAL_CROPS = 60  # crops of the validation split that are scored


def fit(options: Options) -> None:
    """Train the keys."""
    datasets = [create_dataset("bsds", options.bsds, "train")]
    if options.coco:
        datasets.append(create_dataset("coco_panoptic", options.coco, "train"))
    val_dataset = create_dataset("bsds", options.bsds, "val")
    run = Run(options, log_every_n_steps=10, limit_val_batches=0)
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
