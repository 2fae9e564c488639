"""Probes as measures: trained on a row's features, or on the backbone's own and transferred."""

from collections.abc import Sequence

from torch import nn

from unstride.evaluation.benchmark import Bench
from unstride.evaluation.candidates import Row
from unstride.evaluation.feature_grid import Grid
from unstride.evaluation.linear_probe import draw, score, train
from unstride.evaluation.probe_tasks import task_of

Values = dict[str, float]


def probe(bench: Bench, row: Row, seeds: Sequence[int]) -> list[Values]:
    """A probe is trained on the row's features, and scored on the row's features."""
    return score(
        task_of(bench.scoring.dataset), heads(bench, row, seeds, bench.grid),
        bench.scoring, bench.grid, row,
    )  # fmt: skip


def transfer(bench: Bench, row: Row, seeds: Sequence[int]) -> list[Values]:
    """A probe is trained on the backbone's cells, and scored on the row's features.

    A cell's label is that of the pixel at its centre. What the probe loses against one trained
    on the row's features shows how far the operator leaves the space of the backbone's.
    """
    missing = [seed for seed in seeds if seed not in bench.cell_probes]
    if missing:
        cells = Grid(bench.frozen, bench.frozen.stride)
        found = heads(bench, Row("cells", AsTheyAre()), missing, cells)
        bench.cell_probes.update(zip(missing, found, strict=True))
    trained = [bench.cell_probes[seed] for seed in seeds]
    return score(task_of(bench.scoring.dataset), trained, bench.scoring, bench.grid, row)


class AsTheyAre(nn.Module):
    """The backbone's features on their own grid, called as an upsampler is."""

    def forward(self, features, guide=None, size=None):
        """The features."""
        del guide, size
        return features


def heads(bench: Bench, row: Row, seeds: Sequence[int], grid: Grid) -> list[nn.Linear]:
    """A trained probe for each seed."""
    task, schedule = task_of(bench.training.dataset), bench.schedule
    pixels = draw(task, bench.training, grid, row, seeds=seeds, schedule=schedule)
    places = bench.progress(range(len(seeds)), f"{row.label}: probes")
    return [train(task, pixels[place], seeds[place], schedule) for place in places]
