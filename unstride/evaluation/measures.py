"""The measures by name: what data set each needs, and what it says of a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unstride.evaluation.bench import Bench
from unstride.evaluation.probe import Segmentation, draw, score, train
from unstride.evaluation.rows import Row

Values = dict[str, float]


@dataclass(frozen=True)
class Measure:
    """One way to measure a row.

    Attributes:
        run: run(bench, row, seeds) gives the values of each seed.
        kinds: of data sets that it needs; none if it needs no data set.
        seeded: whether seeds change it; if not, it is measured once.
        better: for each value, 1 if more is better and -1 if less is; the first is compared
            with bilinear's.
        scheduled: whether a probe is trained.
    """

    run: Callable[[Bench, Row, Sequence[int]], list[Values]]
    kinds: tuple[str, ...]
    better: dict[str, int]
    seeded: bool = True
    scheduled: bool = True


def segmentation(bench: Bench, row: Row, seeds: Sequence[int]) -> list[Values]:
    """mIoU and boundary mIoU of a linear probe trained on the row's features."""
    task = Segmentation(bench.scored.dataset.classes)
    return probed(bench, row, seeds, task)


def probed(bench: Bench, row: Row, seeds: Sequence[int], task) -> list[Values]:
    """Train a probe for each seed on the row's features, and score it on the row's features."""
    schedule = bench.protocol.training
    pixels = draw(task, bench.train, bench.grid, row, seeds=seeds, schedule=schedule)
    heads = []
    for place in bench.progress(range(len(seeds)), f"{row.label}: probes"):
        heads.append(train(task, pixels[place], seeds[place], schedule))
    return score(task, heads, bench.scored, bench.grid, row)


MEASURES: dict[str, Measure] = {
    "segmentation": Measure(segmentation, ("semantic",), {"mIoU": 1}),
}
