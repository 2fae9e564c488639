"""Probes as measures: trained on a candidate's features, or transferred from the backbone's."""

from collections.abc import Sequence

from torch import nn

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.linear_probe import sample_pixels, score_probes, train_probe
from unstride.evaluation.probe_tasks import create_probe_task

SeedValues = dict[str, float]


def measure_probe(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int]
) -> list[SeedValues]:
    """Train a probe on the candidate's features, and score it on the candidate's features."""
    probes = train_probes(benchmark, candidate, seeds, benchmark.grid)
    return _score(benchmark, candidate, probes)


def measure_transfer(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int]
) -> list[SeedValues]:
    """Train a probe on the backbone's cells, and score it on the candidate's features.

    The label of a cell is that of the pixel at its centre. What the probe loses against one that
    is trained on the candidate's features shows how far the operator leaves the space of the
    backbone's features.
    """
    missing = [seed for seed in seeds if seed not in benchmark.coarse_probes]
    if missing:
        backbone = benchmark.frozen_backbone
        cells = FeatureGrid(backbone, backbone.stride)
        trained = train_probes(benchmark, Candidate("cells", IdentityUpsampler()), missing, cells)
        benchmark.coarse_probes.update(zip(missing, trained, strict=True))
    probes = [benchmark.coarse_probes[seed] for seed in seeds]
    return _score(benchmark, candidate, probes)


def _score(
    benchmark: Benchmark, candidate: Candidate, probes: Sequence[nn.Linear]
) -> list[SeedValues]:
    task = create_probe_task(benchmark.eval_features.dataset)
    return score_probes(task, probes, benchmark.eval_features, benchmark.grid, candidate)


class IdentityUpsampler(nn.Module):
    """Returns the backbone's features on their own grid; called as an upsampler is."""

    def forward(self, features, guide=None, size=None):
        """Return the features."""
        del guide, size
        return features


def train_probes(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int], grid: FeatureGrid
) -> list[nn.Linear]:
    """Train a probe for each seed."""
    dataset, schedule = benchmark.train_features, benchmark.schedule
    task = create_probe_task(dataset.dataset)
    pixels = sample_pixels(task, dataset, grid, candidate, seeds=seeds, schedule=schedule)
    positions = benchmark.progress(range(len(seeds)), f"{candidate.label}: probes")
    return [train_probe(task, pixels[i], seeds[i], schedule) for i in positions]
