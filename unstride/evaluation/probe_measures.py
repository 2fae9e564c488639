"""Probes as measures: trained on a row's features, or on the backbone's own and transferred."""

from collections.abc import Sequence

from torch import nn

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.linear_probe import sample_pixels, score_probes, train_probe
from unstride.evaluation.probe_tasks import create_probe_task

SeedValues = dict[str, float]


def measure_probe(bench: Benchmark, row: Candidate, seeds: Sequence[int]) -> list[SeedValues]:
    """A probe is trained on the row's features, and scored on the row's features."""
    return score_probes(
        create_probe_task(bench.scoring.dataset), train_probes(bench, row, seeds, bench.grid),
        bench.scoring, bench.grid, row,
    )  # fmt: skip


def measure_transfer(bench: Benchmark, row: Candidate, seeds: Sequence[int]) -> list[SeedValues]:
    """A probe is trained on the backbone's cells, and scored on the row's features.

    A cell's label is that of the pixel at its centre. What the probe loses against one trained
    on the row's features shows how far the operator leaves the space of the backbone's.
    """
    missing = [seed for seed in seeds if seed not in bench.cell_probes]
    if missing:
        cells = FeatureGrid(bench.frozen, bench.frozen.stride)
        found = train_probes(bench, Candidate("cells", IdentityUpsampler()), missing, cells)
        bench.cell_probes.update(zip(missing, found, strict=True))
    trained = [bench.cell_probes[seed] for seed in seeds]
    return score_probes(
        create_probe_task(bench.scoring.dataset), trained, bench.scoring, bench.grid, row
    )


class IdentityUpsampler(nn.Module):
    """The backbone's features on their own grid, called as an upsampler is."""

    def forward(self, features, guide=None, size=None):
        """The features."""
        del guide, size
        return features


def train_probes(
    bench: Benchmark, row: Candidate, seeds: Sequence[int], grid: FeatureGrid
) -> list[nn.Linear]:
    """A trained probe for each seed."""
    task, schedule = create_probe_task(bench.training.dataset), bench.schedule
    pixels = sample_pixels(task, bench.training, grid, row, seeds=seeds, schedule=schedule)
    places = bench.progress(range(len(seeds)), f"{row.label}: probes")
    return [train_probe(task, pixels[place], seeds[place], schedule) for place in places]
