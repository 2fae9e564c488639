"""Runs every measure on every candidate; resumes where it stopped and survives failures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.measures import MEASURES, Measure
from unstride.evaluation.results import ResultStore
from unstride.formats.errors import error_summary
from unstride.saving.fingerprint import weights_fingerprint

PROTOCOL_VERSION = 2  # results of another version are computed again

ResultKey = tuple[str, str, str]  # measure, data set, label of the candidate


@dataclass
class EvaluationResults:
    """The results of an evaluation.

    Attributes:
        values: values of each seed, by name.
        seconds: computing time when it was computed, summed over the seeds.
        failures: one line for each candidate that could not be measured, with the reason.
    """

    values: dict[ResultKey, list[dict[str, float]]] = field(default_factory=dict)
    seconds: dict[ResultKey, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def run_measures(
    benchmarks: Sequence[Benchmark],
    candidates: Sequence[Candidate],
    measures: Sequence[str],
    *,
    num_seeds: int,
    out: Path,
    log: Callable[[str], Any] = lambda _: None,
) -> EvaluationResults:
    """Measure what is not in `out` yet.

    Args:
        benchmarks: the data sets. Each measure runs on those with its kind of labels; a measure
            that needs no data set runs once.
        candidates: what is measured.
        measures: names from MEASURES.
        num_seeds: number of seeds; they are 0, 1, ...
        out: folder of the results.
        log: called with one line for each candidate that is done or has failed.
    """
    results, store = EvaluationResults(), ResultStore(out / "results")
    for measure_name in measures:
        kinds = MEASURES[measure_name].label_kinds
        fitting = [b for b in benchmarks if b.label_kind in kinds] if kinds else benchmarks[:1]
        for benchmark in fitting:
            key = cache_key(benchmark, measure_name)
            for candidate in candidates:
                where = measure_name, benchmark.dataset_name if kinds else ""
                title = " on ".join(filter(None, where))
                try:
                    found = load_or_measure(
                        benchmark,
                        measure_name,
                        candidate,
                        num_seeds=num_seeds,
                        store=store,
                        key=key,
                    )
                except Exception as error:  # a user's operator may raise anything
                    results.failures.append(f"{candidate.label}, {title}: {error_summary(error)}")
                    log(f"failed: {results.failures[-1]}")
                    continue
                seconds = sum(result["seconds"] for result in found)
                results.values[*where, candidate.label] = [result["values"] for result in found]
                results.seconds[*where, candidate.label] = seconds
                log(f"{title}: {candidate.label}: {seconds:.0f} s")
    return results


def cache_key(benchmark: Benchmark, measure_name: str) -> dict[str, Any]:
    """Return everything but the candidate and the seed that a result depends on."""
    measure = MEASURES[measure_name]
    key = {
        "version": PROTOCOL_VERSION, "measure": measure_name, "dataset": "",
        "backbone": getattr(benchmark.backbone, "name", type(benchmark.backbone).__name__),
        "stride": benchmark.backbone.stride,
        "tensors of the backbone": weights_fingerprint(benchmark.backbone),
    }  # fmt: skip
    if measure.label_kinds:
        key |= benchmark.cache_key()
    if measure.depends_on_schedule:
        key["schedule"] = repr(benchmark.schedule)
    return key


def load_or_measure(
    benchmark: Benchmark,
    measure_name: str,
    candidate: Candidate,
    *,
    num_seeds: int,
    store: ResultStore,
    key: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return the results of all seeds; those missing in the store are measured and stored."""
    measure: Measure = MEASURES[measure_name]
    seeds = range(num_seeds if measure.depends_on_seed else 1)
    seed_keys = {seed: key | candidate.cache_key() | {"seed": seed} for seed in seeds}
    results = {seed: store.load(seed_keys[seed]) for seed in seeds}
    missing = [seed for seed in seeds if results[seed] is None]
    if missing:
        start = time.perf_counter()
        values = measure.run(benchmark, candidate, missing)
        seconds = (time.perf_counter() - start) / len(missing)
        for seed, seed_values in zip(missing, values, strict=True):
            results[seed] = store.save(seed_keys[seed], seed_values, seconds)
    return [result for seed in seeds if (result := results[seed]) is not None]
