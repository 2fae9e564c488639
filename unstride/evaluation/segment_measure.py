"""Measures whether the features of two pixels tell if people put them into different segments."""

from collections.abc import Sequence

import torch

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.metrics import SegmentSeparation


@torch.inference_mode()
def measure_segments(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """Measure the AUC of `SegmentSeparation` in percent, on features of every pixel.

    The seeds draw the pairs of pixels.
    """
    metrics = [SegmentSeparation(seed=seed) for seed in seeds]
    images = benchmark.eval_features.with_progress(f"{candidate.label}: segments")
    for image, regions, coarse in images:
        fine = candidate.pixel_features(benchmark.frozen_backbone, image, coarse)[0]
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
