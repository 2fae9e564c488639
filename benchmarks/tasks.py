"""`make tasks DATA=...`: what each operator is worth inside a network: docs/tasks.md.

    python -m benchmarks.tasks --data DATA --tasks camvid_semantic_fpn_small --seeds 0 1 2

Trains a config once for each operator and seed, at every place where the network enlarges features,
all else alike; scores what comes of it on the test split. A run that is there is not made again,
one that was stopped goes on; so several of these may share the work, each with --operators.
Prints means and deviations over seeds, and differences to nearest with the same seed: their mean,
and the interval that holds it with 95 % (Student's t). Writes OUT/TASK.md and OUT/TASK.png.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from unstride.models.saved_task import create_task, read_task
from unstride.recipes.command import parsed

OPERATORS = [
    "nearest", "bilinear", "nearest_conv", "deconv", "pixel_shuffle", "carafe", "a2u", "sapa",
    "fade", "dysample", "index",
]  # fmt: skip
TASKS = {
    "camvid_semantic_fpn_small": ("segmentation", "camvid"),
    "camvid_upernet_small": ("segmentation", "camvid"),
}
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # by the number of seeds: 97.5 %, n - 1 degrees
ROUNDS = 7  # of steps that are timed, operators in turn


def main() -> None:
    """Train what is missing, then print the tables of what is there."""
    parser = argparse.ArgumentParser(
        prog="make tasks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, ...")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--operators", nargs="+", default=OPERATORS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--steps", type=int, help="of the optimiser, in place of the config's")
    parser.add_argument("--time", action="store_true", help="time the steps; on a quiet machine")
    options = parser.parse_args()
    for task in options.tasks:
        for seed in options.seeds:
            for operator in options.operators:
                scored(task, operator, seed, options)
        report(task, options)


def scored(task: str, operator: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Scores on the test split of the network with this operator, trained if need be."""
    name, folder = TASKS[task]
    recipe = import_module(f"unstride.recipes.{name}")
    out = options.out / task / f"{operator}-{seed}"
    if not (out / "test.json").is_file():
        chosen = recipe_options(task, options.data / folder, out, operator, seed)
        if options.steps:
            chosen = replace(chosen, steps=options.steps, check_every=options.steps)
        recipe.fit(chosen)
        recipe.validate(replace(chosen, limit=None), part="test")
        (out / "last.ckpt").unlink(missing_ok=True)
    return json.loads((out / "test.json").read_text())


def recipe_options(task: str, data: Path, out: Path, operator: str, seed: int) -> Any:
    """The config's, for one run."""
    words = {"config": task, "data": data, "out": out, "seed": seed, "limit": 8}
    words |= {"upsampler": operator, "device": "cpu"}
    given = [f"--{name}={value}" for name, value in words.items()]
    return parsed("fit", TASKS[task][0], given)["options"]


def report(task: str, options: argparse.Namespace) -> None:
    """Print and write the table, and draw it."""
    rows = {}
    for operator in options.operators:
        files = [options.out / task / f"{operator}-{seed}" / "test.json" for seed in options.seeds]
        if all(file.is_file() for file in files):
            rows[operator] = [json.loads(file.read_text()) for file in files]
    if "nearest" not in rows:
        return
    times = timed(task, list(rows), options) if options.time else {}
    lines = table(rows, added_parameters(task, rows, options), times)
    print("\n".join(lines))
    (options.out / f"{task}.md").write_text("\n".join(lines) + "\n")
    draw(rows, options.out / f"{task}.png")


def table(
    rows: dict[str, list[dict[str, float]]], parameters: dict[str, int], times: dict[str, float]
) -> list[str]:
    """Lines of Markdown: for each measure the mean, its deviation, the difference to nearest."""
    measures = list(rows["nearest"][0])
    heads = ["operator", *measures, "parameters", *(["time of a step"] if times else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for operator, scores in rows.items():
        cells = [operator]
        for measure in measures:
            values = [score[measure] for score in scores]
            text = f"{statistics.mean(values):.2f} +- {deviation(values):.2f}"
            if operator != "nearest":
                against = [score[measure] for score in rows["nearest"]]
                middle, reach = paired(values, against)
                text += f" ({middle:+.2f} +- {reach:.2f})"
            cells.append(text)
        cells.append(f"+{parameters[operator]:,}")
        if times:
            cells.append(f"{times[operator] / times['nearest']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def deviation(values: Sequence[float]) -> float:
    """Standard deviation, 0 of one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def paired(values: Sequence[float], against: Sequence[float]) -> tuple[float, float]:
    """The mean difference of values with the same seed, and half its 95 % interval."""
    differences = [a - b for a, b in zip(values, against, strict=True)]
    count = len(differences)
    reach = STUDENT[count] * deviation(differences) / count**0.5 if count > 1 else float("nan")
    return statistics.mean(differences), reach


def added_parameters(task: str, rows: dict, options: argparse.Namespace) -> dict[str, int]:
    """Of each operator's network, beyond those of nearest's."""
    counts = {}
    for operator in rows:
        network, _ = read_task(options.out / task / f"{operator}-{options.seeds[0]}" / "model")
        counts[operator] = sum(p.numel() for p in network.parameters())
    return {operator: count - counts["nearest"] for operator, count in counts.items()}


def timed(task: str, operators: Sequence[str], options: argparse.Namespace) -> dict[str, float]:
    """Seconds of forward and backward of a batch: medians of rounds, operators in turn."""
    seconds: dict[str, list[float]] = {operator: [] for operator in operators}
    networks, images = {}, None
    for operator in operators:
        chosen = recipe_options(task, options.data, options.out, operator, 0)
        folder = options.out / task / f"{operator}-{options.seeds[0]}" / "model"
        described = read_task(folder)[1]
        networks[operator] = create_task(described).train()
        images = torch.rand(chosen.batch_size, 3, *chosen.crop)
    for turn in range(ROUNDS + 1):
        for operator, network in networks.items():
            start = time.perf_counter()
            network(images).square().mean().backward()
            network.zero_grad()
            if turn:
                seconds[operator].append(time.perf_counter() - start)
    return {operator: statistics.median(each) for operator, each in seconds.items()}


def draw(rows: dict[str, list[dict[str, float]]], path: Path) -> None:
    """For each measure, the differences to nearest: every seed a dot, the mean a line."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    others = [operator for operator in rows if operator != "nearest"][::-1]
    measures = list(rows["nearest"][0])
    size = (4.2 * len(measures) + 1.5, 0.32 * len(others) + 1.4)
    figure, [panels] = plt.subplots(
        1, len(measures), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, measure in zip(panels, measures, strict=True):
        against = [score[measure] for score in rows["nearest"]]
        for place, operator in enumerate(others):
            values = [score[measure] for score in rows[operator]]
            each = [a - b for a, b in zip(values, against, strict=True)]
            panel.plot(each, [place] * len(each), "o", color="C0", alpha=0.6)
            panel.plot([statistics.mean(each)] * 2, [place - 0.3, place + 0.3], color="C3")
        panel.axvline(0, color="0.6", linewidth=1)
        panel.set_title(f"{measure}, minus nearest's")
    panels[0].set_yticks(range(len(others)), others)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
