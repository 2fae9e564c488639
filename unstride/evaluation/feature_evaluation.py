"""Evaluates upsamplers on frozen features (`unstride eval features`): every measure, one table."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import nn

from unstride.backbones.timm_backbone import Backbone
from unstride.device import module_device
from unstride.evaluation import report
from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate, create_candidate
from unstride.evaluation.measures import MEASURES
from unstride.evaluation.progress import progress_bars
from unstride.evaluation.runner import EvaluationResults, run_measures
from unstride.evaluation.settings import LABEL_KINDS, EvaluationSettings
from unstride.formats.atomic_write import remove_leftovers


def evaluate(
    upsamplers: Sequence[str | nn.Module | Candidate],
    measures: Sequence[str],
    datasets: Sequence[str] = (),
    *,
    settings: EvaluationSettings | None = None,
    out: str | Path = "runs/eval",
    command: str = "unstride.evaluation.evaluate",
) -> tuple[EvaluationResults, list[Candidate]]:
    """Measure upsamplers and write OUT/table.md and OUT/table.json; see `unstride eval features`.

    Args:
        upsamplers: names with options, upsamplers, or candidates, which may be fitted to each
            image.
        measures: names from MEASURES.
        datasets: "NAME" or "NAME=FOLDER". Each measure runs on those with its kind of labels.
        settings: what is the same for every candidate. Default: `EvaluationSettings()`.
        out: folder of the tables and results. Finished results in it are not computed again.
        command: command that the tables name.

    Raises:
        ValueError: if a name is unknown, or a measure has no data set.
        OSError: if a data set or weights cannot be found.
    """
    from rich.console import Console

    start, out, settings = time.perf_counter(), Path(out), settings or EvaluationSettings()
    remove_leftovers(out)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    opened = [settings.open_dataset(dataset) for dataset in datasets]
    check_measures(measures, [LABEL_KINDS[dataset.name] for dataset in opened])
    backbone = settings.build_backbone()
    candidates = create_candidates(upsamplers, backbone)
    with progress_bars(console) as progress:
        benchmarks = [
            settings.build_benchmark(dataset, backbone, out, progress) for dataset in opened
        ] or [Benchmark(backbone)]
        results = run_measures(
            benchmarks, candidates, measures, num_seeds=settings.seeds, out=out,
            log=partial(console.print, markup=False),
        )  # fmt: skip
    origin = report.provenance(command, settings.seeds, time.perf_counter() - start)
    report.write_tables(results, candidates, origin, out)
    return results, candidates


def create_candidates(
    upsamplers: Sequence[str | nn.Module | Candidate], backbone: Backbone
) -> list[Candidate]:
    """Create the candidates on the backbone's device; their labels must differ."""
    candidates = [create_candidate(spec, backbone.channels, backbone.stride) for spec in upsamplers]
    labels = [candidate.label for candidate in candidates]
    if repeated := {label for label in labels if labels.count(label) > 1}:
        raise ValueError(f"upsamplers must have different labels, got twice: {', '.join(repeated)}")
    device = module_device(backbone)
    for candidate in candidates:
        if candidate.module is not None:
            candidate.module.to(device)
    return candidates


def check_measures(measures: Sequence[str], label_kinds: Sequence[str]) -> None:
    """Raise ValueError unless each measure is known and a data set has its kind of labels."""
    for measure in measures:
        if measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}")
        kinds = MEASURES[measure].label_kinds
        if kinds and not set(kinds) & set(label_kinds):
            fitting = [name for name, kind in LABEL_KINDS.items() if kind in kinds]
            raise ValueError(f"measure {measure} needs one of the datasets {', '.join(fitting)}")
