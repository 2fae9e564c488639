"""`make tasks DATA=...`: what each operator is worth inside a network: docs/tasks.md.

    python -m benchmarks.tasks --data DATA --tasks camvid_semantic_fpn_small --seeds 0 1 2

Trains a config once for each operator and seed, at every place where the network enlarges features,
all else alike; scores what comes of it on the test split. In a mask head there is no guide: where
an operator needs one, nearest neighbour stays there. A run that is there is not made again, one
that was stopped goes on; so several of these may share the work, each with --operators. Prints
means and deviations over seeds, and differences to nearest with the same seed: their mean, and the
interval that holds it with 95 % (Student's t). Writes OUT/TASK.md, OUT/TASK.png and, of the CamVid
tasks, OUT/TASK_boundaries.jpg.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch.utils.data import default_collate

from benchmarks.task_figures import save_boundary_figure
from benchmarks.task_tables import T_QUANTILES, markdown_table, plot_differences
from unstride.cli.fit import parse_recipe_options
from unstride.datasets.instances import collate_instances
from unstride.models.task_network import read_task
from unstride.recipes import detection, segmentation
from unstride.training.task_learner import TaskLearner
from unstride.training.task_run import training_samples
from unstride.upsamplers.from_words import upsampler_factory

OPERATORS = [
    "nearest", "bilinear", "nearest_conv", "deconv", "pixel_shuffle", "carafe", "a2u", "sapa",
    "fade", "dysample", "index",
]  # fmt: skip
TIMING_ROUNDS = 7  # of steps that are timed, operators in turn


class BenchmarkTask(NamedTuple):
    """A recipe and the folder of its data."""

    recipe: ModuleType
    folder: str


TASKS = {
    "camvid_semantic_fpn_small": BenchmarkTask(segmentation, "camvid"),
    "camvid_upernet_small": BenchmarkTask(segmentation, "camvid"),
    "pennfudan_mask_rcnn_small": BenchmarkTask(detection, "pennfudan"),
}


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
    if len(options.seeds) not in (1, *T_QUANTILES):
        parser.error(f"--seeds: 1 to {max(T_QUANTILES)}, got {len(options.seeds)}")
    for task in options.tasks:
        for seed in options.seeds:
            for operator in options.operators:
                train_and_score(task, operator, seed, options)
        write_report(task, options)


def train_and_score(task: str, operator: str, seed: int, options: argparse.Namespace) -> None:
    """Train the network with this operator and score it on the test split, if need be."""
    recipe, folder = TASKS[task]
    out = run_folder(task, operator, seed, options)
    if (out / "test.json").is_file():
        return
    chosen = recipe_options(task, options.data / folder, out, operator, seed)
    if options.steps:
        chosen = replace(chosen, steps=options.steps, check_every=options.steps)
    recipe.fit(chosen)
    recipe.validate(replace(chosen, limit=None), part="test")
    (out / "last.ckpt").unlink(missing_ok=True)


def run_folder(task: str, operator: str, seed: int, options: argparse.Namespace) -> Path:
    """Its folder."""
    return options.out / task / f"{operator}-{seed}"


def recipe_options(task: str, data: Path, out: Path, operator: str, seed: int) -> Any:
    """The config's, for one run."""
    recipe = TASKS[task].recipe
    words = {"config": task, "data": data, "out": out, "seed": seed, "limit": 8}
    words |= {"upsampler": operator, "device": "cpu"}
    if recipe is detection and upsampler_factory(operator)(64, scale=2).guide_channels is not None:
        words["model_options.mask_upsampler"] = "nearest"
    given = [f"--{name}={value}" for name, value in words.items()]
    return parse_recipe_options("fit", recipe.__name__.rpartition(".")[2], given)["options"]


def write_report(task: str, options: argparse.Namespace) -> None:
    """Print and write the table, and draw it."""
    rows = {}
    for operator in options.operators:
        files = [run_folder(task, operator, seed, options) / "test.json" for seed in options.seeds]
        if all(file.is_file() for file in files):
            rows[operator] = [json.loads(file.read_text()) for file in files]
    if "nearest" not in rows:
        return
    models = {o: run_folder(task, o, options.seeds[0], options) / "model" for o in rows}
    columns = {"parameters": {o: f"+{n:,}" for o, n in added_parameters(models).items()}}
    if options.time:
        seconds = step_seconds(task, models, options)
        columns["time of a step"] = {o: f"{s / seconds['nearest']:.2f}" for o, s in seconds.items()}
    lines = markdown_table(rows, columns)
    print("\n".join(lines))
    (options.out / f"{task}.md").write_text("\n".join(lines) + "\n")
    plot_differences(rows, options.out / f"{task}.png")
    if TASKS[task].recipe is segmentation:
        test = segmentation.load_split(first_run_options(task, "nearest", options), "test")
        save_boundary_figure(models, test, options.out / f"{task}_boundaries.jpg")


def added_parameters(models: dict[str, Path]) -> dict[str, int]:
    """Of each operator's network, beyond those of nearest's."""
    counts = {}
    for operator, folder in models.items():
        network, _ = read_task(folder)
        counts[operator] = sum(p.numel() for p in network.parameters())
    return {operator: count - counts["nearest"] for operator, count in counts.items()}


def step_seconds(
    task: str, operators: Sequence[str], options: argparse.Namespace
) -> dict[str, float]:
    """Seconds of a step, without its data: medians of rounds, operators in turn."""
    steps = {operator: resume_training(task, operator, options) for operator in operators}
    seconds: dict[str, list[float]] = {operator: [] for operator in operators}
    for turn in range(TIMING_ROUNDS + 1):
        for operator, (learner, batch, optimizer) in steps.items():
            torch.manual_seed(turn)
            start = time.perf_counter()
            torch.stack(list(learner.losses(batch).values())).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            if turn:
                seconds[operator].append(time.perf_counter() - start)
    return {operator: statistics.median(each) for operator, each in seconds.items()}


def resume_training(
    task: str, operator: str, options: argparse.Namespace
) -> tuple[TaskLearner, Any, Any]:
    """A trained network that goes on learning, its training's first batch, its optimiser."""
    recipe, chosen = TASKS[task].recipe, first_run_options(task, operator, options)
    network, described = read_task(chosen.out / "model")
    train = training_samples(chosen, recipe.split(chosen, "train"), recipe.Augmented(chosen))
    batch = [train[i] for i in range(chosen.batch_size)]
    learner: TaskLearner
    if recipe is detection:
        names = described["model"], described["classes"]
        learner, batch = (
            detection.DetectionLearner(network, chosen, *names),
            collate_instances(batch),
        )
    else:
        learner = segmentation.SegmentationLearner(network, chosen, described["classes"])
        batch = default_collate(batch)
    [optimizer], _ = learner.configure_optimizers()
    return learner, batch, optimizer


def first_run_options(task: str, operator: str, options: argparse.Namespace) -> Any:
    """Of the first seed's run."""
    out = run_folder(task, operator, options.seeds[0], options)
    return recipe_options(task, options.data / TASKS[task].folder, out, operator, options.seeds[0])


if __name__ == "__main__":
    main()
