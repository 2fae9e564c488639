"""The measures by name: what data set each needs, and what it says of a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unstride.evaluation.benchmark import Bench
from unstride.evaluation.cam import cam
from unstride.evaluation.candidates import Row
from unstride.evaluation.consistency import consistency
from unstride.evaluation.cost import cost
from unstride.evaluation.probe_measures import probe, transfer
from unstride.evaluation.segment_measure import segments


@dataclass(frozen=True)
class Measure:
    """One way to measure a row.

    Attributes:
        run: run(bench, row, seeds) gives the values of each seed.
        kinds: of data sets that it needs; none if it needs no data set.
        headline: values that are compared with bilinear's.
        seeded: whether seeds change it; if not, it is measured once.
        trained: whether the schedule of probes changes it.
    """

    run: Callable[[Bench, Row, Sequence[int]], list[dict[str, float]]]
    kinds: tuple[str, ...]
    headline: tuple[str, ...]
    seeded: bool = True
    trained: bool = False


EVERY_KIND = "semantic", "depth", "segments", "classes"
MEASURES: dict[str, Measure] = {
    "segmentation": Measure(probe, ("semantic",), ("mIoU",), trained=True),
    "depth": Measure(probe, ("depth",), ("abs rel",), trained=True),
    "transfer": Measure(transfer, ("semantic", "depth"), ("mIoU", "abs rel"), trained=True),
    "segments": Measure(segments, ("segments",), ("AUC",)),
    "consistency": Measure(consistency, EVERY_KIND, ("error",)),
    "cam": Measure(cam, ("classes",), ("drop",), seeded=False),
    "cost": Measure(cost, (), (), seeded=False),
}
