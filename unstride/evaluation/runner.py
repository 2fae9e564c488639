"""Every row by every measure: resumable, and a row that fails spoils no other."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unstride.evaluation.bench import Bench
from unstride.evaluation.measures import MEASURES
from unstride.evaluation.rows import Row
from unstride.evaluation.store import Store
from unstride.models.batch import fingerprint

VERSION = 1  # of the protocol; results of another are computed again


@dataclass
class Outcome:
    """What was found.

    Attributes:
        values: by measure, data set and row, for each seed its values.
        failed: rows that could not be measured, each with the reason.
        seconds: of computing, by measure, data set and row, results found on disk included.
    """

    values: dict[tuple[str, str, str], list[dict[str, float]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    seconds: dict[tuple[str, str, str], float] = field(default_factory=dict)


def run(
    benches: Iterable[Bench],
    rows: Sequence[Row],
    measures: Sequence[str],
    *,
    seeds: int,
    out: Path,
    say: Callable[[str], Any] = lambda _: None,
) -> Outcome:
    """Measure what is not in `out` yet.

    Args:
        benches: data sets; each measure is taken on those of its kind.
        rows: what is measured.
        measures: names of MEASURES.
        seeds: probes are trained with seeds 0 to this, exclusive.
        out: folder of the results.
        say: told of each row that is done.
    """
    outcome, store = Outcome(), Store(out / "results")
    for bench in benches:
        print_of_backbone = fingerprint(bench.backbone)
        for name in measures:
            if bench.kind not in MEASURES[name].kinds:
                continue
            for row in rows:
                try:
                    _one(bench, name, row, seeds, store, print_of_backbone, outcome)
                except (ValueError, RuntimeError, OSError, MemoryError) as error:
                    reason = (str(error) or type(error).__name__).splitlines()[0]
                    outcome.failed.append(f"{row.label}, {name} on {bench.name}: {reason}")
                    say(f"failed: {outcome.failed[-1]}")
                else:
                    say(f"{row.label}, {name} on {bench.name}: done")
    return outcome


def _one(bench, name, row, seeds, store, print_of_backbone, outcome) -> None:
    measure = MEASURES[name]
    wanted = list(range(seeds if measure.seeded else 1))
    options = {
        seed: {
            "version": VERSION, "measure": name, "seed": seed, **bench.described(),
            **row.described(), "backbone": getattr(bench.backbone, "name", "custom"),
            "backbone_stride": bench.backbone.stride, "backbone_tensors": print_of_backbone,
            **({"protocol": repr(bench.protocol)} if measure.scheduled else {}),
        }
        for seed in wanted
    }  # fmt: skip
    found = {seed: store.load(options[seed]) for seed in wanted}
    missing = [seed for seed in wanted if found[seed] is None]
    if missing:
        start = time.perf_counter()
        values = measure.run(bench, row, missing)
        seconds = (time.perf_counter() - start) / len(missing)
        for seed, value in zip(missing, values, strict=True):
            store.save(options[seed], value, seconds)
            found[seed] = store.load(options[seed])
    key = name, bench.name, row.label
    outcome.values[key] = [found[seed]["values"] for seed in wanted]
    outcome.seconds[key] = sum(found[seed]["seconds"] for seed in wanted)
