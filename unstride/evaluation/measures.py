"""The measures by name: the function of each, and the kinds of data sets that it needs."""

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
    """One way to measure a candidate.

    Attributes:
        run: `run(benchmark, candidate, seeds)` returns the values of each seed.
        label_kinds: kinds of labels that it works on; empty if it needs no data set.
        compared_values: names of the values that are compared with bilinear's.
        depends_on_seed: False if all seeds give the same values, which are then measured once.
        depends_on_schedule: whether the schedule of the probes changes the values.
    """

    run: Callable[[Benchmark, Candidate, Sequence[int]], list[dict[str, float]]]
    label_kinds: tuple[str, ...]
    compared_values: tuple[str, ...]
    depends_on_seed: bool = True
    depends_on_schedule: bool = False


ALL_LABEL_KINDS = "semantic", "depth", "segments", "classes"
MEASURES: dict[str, Measure] = {
    "segmentation": Measure(measure_probe, ("semantic",), ("mIoU",), depends_on_schedule=True),
    "depth": Measure(measure_probe, ("depth",), ("abs rel",), depends_on_schedule=True),
    "transfer": Measure(
        measure_transfer, ("semantic", "depth"), ("mIoU", "abs rel"), depends_on_schedule=True
    ),
    "segments": Measure(measure_segments, ("segments",), ("AUC",)),
    "consistency": Measure(measure_consistency, ALL_LABEL_KINDS, ("error",)),
    "cam": Measure(measure_cam, ("classes",), ("drop",), depends_on_seed=False),
    "cost": Measure(measure_cost, (), (), depends_on_seed=False),
}
