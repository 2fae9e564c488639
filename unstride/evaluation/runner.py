"""Every row by every measure: resumable, and a row that fails spoils no other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.measures import MEASURES, Measure
from unstride.evaluation.results import ResultStore
from unstride.saving.fingerprint import weights_fingerprint

PROTOCOL_VERSION = 1  # of the protocol; results of another are computed again

ResultKey = tuple[str, str, str]  # measure, data set and row


@dataclass
class EvaluationResults:
    """What was found.

    Attributes:
        values: of each seed, by name.
        seconds: of computing, when it was computed, summed over the seeds.
        failed: rows that could not be measured, each with the reason.
    """

    values: dict[ResultKey, list[dict[str, float]]] = field(default_factory=dict)
    seconds: dict[ResultKey, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def run_measures(
    benches: Sequence[Benchmark],
    rows: Sequence[Candidate],
    measures: Sequence[str],
    *,
    seeds: int,
    out: Path,
    say: Callable[[str], Any] = lambda _: None,
) -> EvaluationResults:
    """Measure what is not in `out` yet.

    Args:
        benches: data sets; each measure is taken on those of its kind, one that needs none once.
        rows: what is measured.
        measures: names of MEASURES.
        seeds: 0 to this, exclusive.
        out: folder of the results.
        say: told of each row that is done, or why it is not.
    """
    outcome, store = EvaluationResults(), ResultStore(out / "results")
    for name in measures:
        kinds = MEASURES[name].kinds
        fitting = [bench for bench in benches if bench.kind in kinds] if kinds else benches[:1]
        for bench in fitting:
            options = cache_key(bench, name)
            for row in rows:
                key = name, bench.name if kinds else "", row.label
                where = " on ".join(filter(None, key[:2]))
                try:
                    found = load_or_measure(
                        bench, name, row, seeds=seeds, store=store, options=options
                    )
                except Exception as error:  # of a user's operator it may be any
                    outcome.failed.append(f"{row.label}, {where}: {error_message(error)}")
                    say(f"failed: {outcome.failed[-1]}")
                    continue
                outcome.values[key] = [one["values"] for one in found]
                outcome.seconds[key] = sum(one["seconds"] for one in found)
                say(f"{where}: {row.label}: {outcome.seconds[key]:.0f} s")
    return outcome


def cache_key(bench: Benchmark, name: str) -> dict[str, Any]:
    """All but the row and the seed that a result depends on."""
    measure = MEASURES[name]
    options = {
        "version": PROTOCOL_VERSION, "measure": name, "dataset": "",
        "backbone": getattr(bench.backbone, "name", type(bench.backbone).__name__),
        "stride": bench.backbone.stride,
        "tensors of the backbone": weights_fingerprint(bench.backbone),
    }  # fmt: skip
    if measure.kinds:
        options |= bench.described()
    if measure.trained:
        options["schedule"] = repr(bench.schedule)
    return options


def load_or_measure(
    bench: Benchmark,
    name: str,
    row: Candidate,
    *,
    seeds: int,
    store: ResultStore,
    options: dict[str, Any],
) -> list[dict[str, Any]]:
    """The results of all seeds, found in the store or computed and put there."""
    measure: Measure = MEASURES[name]
    wanted = range(seeds if measure.seeded else 1)
    full = {seed: options | row.described() | {"seed": seed} for seed in wanted}
    found = {seed: store.load(full[seed]) for seed in wanted}
    missing = [seed for seed in wanted if found[seed] is None]
    if missing:
        start = time.perf_counter()
        values = measure.run(bench, row, missing)
        seconds = (time.perf_counter() - start) / len(missing)
        for seed, value in zip(missing, values, strict=True):
            found[seed] = store.save(full[seed], value, seconds)
    return [result for seed in wanted if (result := found[seed]) is not None]


def error_message(error: Exception) -> str:
    """One line that says what went wrong."""
    text = next(iter(str(error).splitlines()), "")
    known = isinstance(error, ValueError | OSError) and text
    return text if known else f"{type(error).__name__} {text}".strip()
