"""The table of results: means, standard deviations, differences from bilinear, and provenance."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unstride.evaluation.candidates import Candidate
from unstride.evaluation.measures import MEASURES
from unstride.evaluation.runner import EvaluationResults
from unstride.formats.atomic_write import atomic_write_text
from unstride.training.run_outputs import git_commit

BASELINE = "bilinear"

Column = tuple[str, str, str]  # measure, data set, name of the value


def table_columns(results: EvaluationResults) -> list[Column]:
    """Return the columns of the table, in the order in which they were measured."""
    columns: dict[Column, None] = {}
    for (measure, dataset, _), seeds in results.values.items():
        columns.update(dict.fromkeys((measure, dataset, value) for value in seeds[0]))
    return list(columns)


def cell_statistics(
    results: EvaluationResults, label: str, column: Column
) -> dict[str, Any] | None:
    """Return the mean, standard deviation and values of a cell, or None if it is empty.

    The paired difference from bilinear is included where bilinear was measured with as many seeds.
    """
    measure, dataset, value = column
    seeds = results.values.get((measure, dataset, label))
    if seeds is None or any(value not in values for values in seeds):
        return None
    numbers = [values[value] for values in seeds]
    cell = {"seeds": numbers, **mean_and_std(numbers, "mean", "spread")}
    baseline = results.values.get((measure, dataset, BASELINE))
    if baseline is not None and label != BASELINE and len(baseline) == len(seeds):
        difference = [ours[value] - base[value] for ours, base in zip(seeds, baseline, strict=True)]
        cell |= mean_and_std(difference, "difference", "difference_spread")
    return cell


def mean_and_std(numbers: Sequence[float], mean_key: str, std_key: str) -> dict[str, float]:
    """Return the mean, and the standard deviation if there are several numbers."""
    mean = {mean_key: statistics.fmean(numbers)}
    return mean | ({std_key: statistics.stdev(numbers)} if len(numbers) > 1 else {})


def format_cell(cell: dict[str, Any] | None, *, with_difference: bool) -> str:
    """Format a cell of the table: "46.69 +- 0.30 (+1.73)"."""
    if cell is None:
        return "-"
    text = format_number(cell["mean"])
    if "spread" in cell:
        text += f" +- {format_number(cell['spread'], cell['mean'])}"
    if with_difference and "difference" in cell:
        text += f" ({'+' if cell['difference'] >= 0 else '-'}"
        text += f"{format_number(abs(cell['difference']), cell['mean'])})"
    return text


def format_number(value: float, magnitude: float | None = None) -> str:
    """Format a number with the decimals of its magnitude: 2 for percentages, 3 near one."""
    size = abs(value if magnitude is None else magnitude)
    return f"{value:.0f}" if size >= 1000 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def table_text(
    results: EvaluationResults, candidates: Sequence[Candidate]
) -> tuple[list[str], list[list[str]]]:
    """Return the headings, and the text of each row."""
    columns = table_columns(results)
    several = len({dataset for _, dataset, _ in columns}) > 1
    headings = ["upsampler"]
    for measure, dataset, value in columns:
        where = f" {dataset}" if several and dataset else ""
        headings.append(f"{measure}{where}: {value}")
    lines = []
    for candidate in candidates:
        origin = f" ({candidate.weights_origin})" if candidate.weights_origin else ""
        cells = [
            format_cell(
                cell_statistics(results, candidate.label, column),
                with_difference=_is_compared(column),
            )
            for column in columns
        ]
        lines.append([candidate.label + origin, *cells])
    return headings, lines


def _is_compared(column: Column) -> bool:
    measure, _, value = column
    return value in MEASURES[measure].compared_values


def provenance(command: str, num_seeds: int, wall_seconds: float) -> dict[str, Any]:
    """Describe where the numbers come from: command, commit, seeds, machine, versions and time."""
    versions = {name: version(name) for name in ("torch", "timm", "numba")}
    return {
        "command": command,
        "commit": git_commit(),
        "seeds": list(range(num_seeds)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads",
        "versions": {"unstride": version("unstride"), "python": platform.python_version()}
        | versions,
        "wall_seconds": round(wall_seconds, 1),
    }


def write_tables(
    results: EvaluationResults,
    candidates: Sequence[Candidate],
    provenance: dict[str, Any],
    out: Path,
) -> None:
    """Write OUT/table.md and OUT/table.json."""
    headings, lines = table_text(results, candidates)
    rule = ["---"] * len(headings)
    table = "\n".join("| " + " | ".join(line) + " |" for line in [headings, rule, *lines])
    notes = [
        "Means and standard deviations over the seeds; in brackets the difference from bilinear.",
        *(f"Failed: {failure}" for failure in results.failures),
        f"`{provenance['command']}`, commit {provenance['commit']}, {provenance['machine']}, "
        f"torch {provenance['versions']['torch']}, {provenance['wall_seconds']:.0f} s",
    ]
    atomic_write_text(out / "table.md", table + "\n\n" + "\n\n".join(notes) + "\n")
    cells = [
        {
            "row": candidate.label, "state": candidate.weights_origin, "measure": column[0],
            "dataset": column[1], "value": column[2], **cell,
        }
        for candidate in candidates
        for column in table_columns(results)
        if (cell := cell_statistics(results, candidate.label, column)) is not None
    ]  # fmt: skip
    content = {"cells": cells, "failed": results.failures, **provenance}
    atomic_write_text(out / "table.json", json.dumps(content, indent=1))


def print_table(results: EvaluationResults, candidates: Sequence[Candidate], console) -> None:
    """Print the table on a rich console."""
    from rich.table import Table

    headings, lines = table_text(results, candidates)
    table = Table(*headings)
    for line in lines:
        table.add_row(*line)
    console.print(table)
