"""Do the features of two pixels tell whether people put them into different segments?"""

from collections.abc import Sequence

import torch

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.frozen_features import pixel_features
from unstride.metrics import SegmentSeparation


@torch.inference_mode()
def measure_segments(
    bench: Benchmark, row: Candidate, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """The AUC of `SegmentSeparation` in percent, on features of every pixel; seeds draw pairs."""
    metrics = [SegmentSeparation(seed=seed) for seed in seeds]
    for image, regions, coarse in bench.scoring.walk(f"{row.label}: segments"):
        features = bench.frozen.standardised(coarse)
        up = row.upsampler(bench.frozen, image, features)
        fine = pixel_features(bench.frozen, up, features, image)[0]
        for metric in metrics:
            metric.update(fine.cpu(), regions)
    return [
        {
            "AUC" if name == "separation" else f"AUC at {name.rpartition('_')[2]} px":
                100 * value.item()
            for name, value in metric.compute().items()
        }
        for metric in metrics
    ]  # fmt: skip
