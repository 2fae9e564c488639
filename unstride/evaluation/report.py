"""The table: means and spreads, differences from bilinear, and where they come from."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unstride.evaluation.candidates import Candidate
from unstride.evaluation.measures import MEASURES
from unstride.evaluation.runner import EvaluationResults
from unstride.formats.atomic_write import atomic_write_text

BASELINE = "bilinear"


def table_columns(outcome: EvaluationResults) -> list[tuple[str, str, str]]:
    """Measure, data set and value of each column, in the order they were measured."""
    found: dict[tuple[str, str, str], None] = {}
    for (measure, dataset, _), seeds in outcome.values.items():
        found.update(dict.fromkeys((measure, dataset, value) for value in seeds[0]))
    return list(found)


def cell_statistics(
    outcome: EvaluationResults, row: str, column: tuple[str, str, str]
) -> dict[str, Any] | None:
    """The mean, spread and seeds of a value, and its paired difference from bilinear."""
    measure, dataset, value = column
    seeds = outcome.values.get((measure, dataset, row))
    if seeds is None:
        return None
    if any(value not in one for one in seeds):
        return None
    numbers = [one[value] for one in seeds]
    result = {"seeds": numbers, **mean_and_std(numbers, "mean", "spread")}
    base = outcome.values.get((measure, dataset, BASELINE))
    if base is not None and row != BASELINE and len(base) == len(seeds):
        difference = [one[value] - two[value] for one, two in zip(seeds, base, strict=True)]
        result |= mean_and_std(difference, "difference", "difference_spread")
    return result


def mean_and_std(numbers: Sequence[float], mean: str, spread: str) -> dict[str, float]:
    """Their mean, and their standard deviation if there are several."""
    found = {mean: statistics.fmean(numbers)}
    return found | ({spread: statistics.stdev(numbers)} if len(numbers) > 1 else {})


def format_cell(found: dict[str, Any] | None, *, compared: bool) -> str:
    """A cell of the table: "46.69 +- 0.30 (+1.73)"."""
    if found is None:
        return "-"
    text = format_number(found["mean"])
    if "spread" in found:
        text += f" +- {format_number(found['spread'], found['mean'])}"
    if compared and "difference" in found:
        text += f" ({'+' if found['difference'] >= 0 else '-'}"
        text += f"{format_number(abs(found['difference']), found['mean'])})"
    return text


def format_number(value: float, like: float | None = None) -> str:
    """Two decimals of what is in percent, three of what is near one."""
    size = abs(value if like is None else like)
    return f"{value:.0f}" if size >= 1000 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def table_text(
    outcome: EvaluationResults, rows: Sequence[Candidate]
) -> tuple[list[str], list[list[str]]]:
    """Headings, and the text of each row."""
    shown = table_columns(outcome)
    several = len({dataset for _, dataset, _ in shown}) > 1
    heads = ["upsampler"]
    for measure, dataset, value in shown:
        where = f" {dataset}" if several and dataset else ""
        heads.append(f"{measure}{where}: {value}")
    lines = []
    for row in rows:
        label = f"{row.label} ({row.state})" if row.state else row.label
        cells = [
            format_cell(cell_statistics(outcome, row.label, column), compared=_is_headline(column))
            for column in shown
        ]
        lines.append([label, *cells])
    return heads, lines


def _is_headline(column: tuple[str, str, str]) -> bool:
    measure, _, value = column
    return value in MEASURES[measure].headline


def provenance(command: str, seeds: int, wall: float) -> dict[str, Any]:
    """Where the numbers come from."""
    versions = {name: version(name) for name in ("torch", "timm", "numba")}
    return {
        "command": command,
        "commit": git_commit(),
        "seeds": list(range(seeds)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads",
        "versions": {"unstride": version("unstride"), "python": platform.python_version()}
        | versions,
        "wall_seconds": round(wall, 1),
    }


def git_commit() -> str:
    """Of the repository that this file lies in, "unknown" where there is none."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def write_tables(
    outcome: EvaluationResults, rows: Sequence[Candidate], origin: dict[str, Any], out: Path
) -> None:
    """OUT/table.md and OUT/table.json."""
    heads, lines = table_text(outcome, rows)
    rule = ["---"] * len(heads)
    table = "\n".join("| " + " | ".join(line) + " |" for line in [heads, rule, *lines])
    notes = [
        "Means and standard deviations over the seeds; in brackets the difference from bilinear.",
        *(f"Failed: {line}" for line in outcome.failed),
        f"`{origin['command']}`, commit {origin['commit']}, {origin['machine']}, "
        f"torch {origin['versions']['torch']}, {origin['wall_seconds']:.0f} s",
    ]
    atomic_write_text(out / "table.md", table + "\n\n" + "\n\n".join(notes) + "\n")
    cells = [
        {
            "row": row.label, "state": row.state, "measure": column[0], "dataset": column[1],
            "value": column[2], **found,
        }
        for row in rows
        for column in table_columns(outcome)
        if (found := cell_statistics(outcome, row.label, column)) is not None
    ]  # fmt: skip
    content = {"cells": cells, "failed": outcome.failed, **origin}
    atomic_write_text(out / "table.json", json.dumps(content, indent=1))


def print_table(outcome: EvaluationResults, rows: Sequence[Candidate], console) -> None:
    """The table on the terminal."""
    from rich.table import Table

    heads, lines = table_text(outcome, rows)
    table = Table(*heads)
    for line in lines:
        table.add_row(*line)
    console.print(table)
