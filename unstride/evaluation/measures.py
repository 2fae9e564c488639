"""The measures by name: what data set each needs, and what it says of a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.cam import measure_cam
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.consistency import measure_consistency
from unstride.evaluation.cost import measure_cost
from unstride.evaluation.probe_measures import measure_probe, measure_transfer
from unstride.evaluation.segment_measure import measure_segments


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

    run: Callable[[Benchmark, Candidate, Sequence[int]], list[dict[str, float]]]
    kinds: tuple[str, ...]
    headline: tuple[str, ...]
    seeded: bool = True
    trained: bool = False


ALL_LABEL_KINDS = "semantic", "depth", "segments", "classes"
MEASURES: dict[str, Measure] = {
    "segmentation": Measure(measure_probe, ("semantic",), ("mIoU",), trained=True),
    "depth": Measure(measure_probe, ("depth",), ("abs rel",), trained=True),
    "transfer": Measure(measure_transfer, ("semantic", "depth"), ("mIoU", "abs rel"), trained=True),
    "segments": Measure(measure_segments, ("segments",), ("AUC",)),
    "consistency": Measure(measure_consistency, ALL_LABEL_KINDS, ("error",)),
    "cam": Measure(measure_cam, ("classes",), ("drop",), seeded=False),
    "cost": Measure(measure_cost, (), (), seeded=False),
}
