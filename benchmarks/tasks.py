"""`make tasks DATA=...`: compares upsampling operators inside networks; results in docs/tasks.md.

    python -m benchmarks.tasks --data DATA --tasks camvid_semantic_fpn_small --seeds 0 1 2

Trains a config once for each operator and seed and scores it on the test split. The operator is
used at every place where the network enlarges features; all else is alike. A mask head has no
guide: an operator that needs one is replaced by nearest neighbour there. Finished runs are skipped
and stopped runs continue, so several processes can share the work, each with its own --operators.
Prints means and standard deviations over the seeds, and the differences to nearest with the same
seed: their mean and its 95 % interval (Student's t). Writes OUT/TASK.md, OUT/TASK.png and, for the
CamVid tasks, OUT/TASK_boundaries.jpg.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch.utils.data import default_collate

from benchmarks.task_figures import save_boundary_figure
from benchmarks.task_tables import T_QUANTILES, markdown_table, plot_differences
from unstride.cli.fit import parse_recipe_options
from unstride.datasets.instances import collate_instances
from unstride.evaluation.timing import median_times
from unstride.models.task_network import read_task
from unstride.recipes import detection, segmentation
from unstride.training.task_learner import TaskLearner
from unstride.training.task_run import training_samples
from unstride.upsamplers.from_words import upsampler_factory

OPERATORS = [
    "nearest", "bilinear", "nearest_conv", "deconv", "pixel_shuffle", "carafe", "a2u", "sapa",
    "fade", "dysample", "index",
]  # fmt: skip
TIMING_ROUNDS = 7  # rounds of timed steps; the operators take turns


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
    """Train the missing runs, then print the tables of the finished ones."""
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
    parser.add_argument("--steps", type=int, help="training steps (default: the config's)")
    parser.add_argument(
        "--time-steps", action="store_true", help="time the steps; on a quiet machine"
    )
    options = parser.parse_args()
    if len(options.seeds) not in (1, *T_QUANTILES):
        parser.error(f"--seeds takes 1 to {max(T_QUANTILES)} seeds, got {len(options.seeds)}")
    for task in options.tasks:
        for seed in options.seeds:
            for operator in options.operators:
                train_and_score(task, operator, seed, options)
        write_report(task, options)


def train_and_score(task: str, operator: str, seed: int, options: argparse.Namespace) -> None:
    """Train the network with an operator and score it on the test split, unless that is done."""
    recipe, folder = TASKS[task]
    out = run_folder(task, operator, seed, options)
    if (out / "test.json").is_file():
        return
    run_options = recipe_options(task, options.data / folder, out, operator, seed)
    if options.steps:
        run_options = replace(run_options, steps=options.steps, val_every=options.steps)
    recipe.fit(run_options)
    recipe.validate(replace(run_options, val_limit=None), split="test")
    (out / "last.ckpt").unlink(missing_ok=True)


def run_folder(task: str, operator: str, seed: int, options: argparse.Namespace) -> Path:
    """The folder of a run."""
    return options.out / task / f"{operator}-{seed}"


def recipe_options(task: str, data: Path, out: Path, operator: str, seed: int) -> Any:
    """The options of the config, for one run."""
    recipe = TASKS[task].recipe
    values = {"config": task, "data": data, "out": out, "seed": seed, "val_limit": 8}
    values |= {"upsampler": operator, "device": "cpu"}
    if recipe is detection and upsampler_factory(operator)(64, scale=2).guide_channels is not None:
        values["model_options.mask_upsampler"] = "nearest"
    arguments = [f"--{name}={value}" for name, value in values.items()]
    return parse_recipe_options("fit", recipe.__name__.rpartition(".")[2], arguments)["options"]


def write_report(task: str, options: argparse.Namespace) -> None:
    """Print, write and plot the table of the operators whose runs are finished."""
    by_operator = {}
    for operator in options.operators:
        files = [run_folder(task, operator, seed, options) / "test.json" for seed in options.seeds]
        if all(file.is_file() for file in files):
            by_operator[operator] = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if "nearest" not in by_operator:
        return
    models = {o: run_folder(task, o, options.seeds[0], options) / "model" for o in by_operator}
    columns = {"parameters": {o: f"+{n:,}" for o, n in added_parameters(models).items()}}
    if options.time_steps:
        seconds = step_seconds(task, models, options)
        columns["time of a step"] = {o: f"{s / seconds['nearest']:.2f}" for o, s in seconds.items()}
    lines = markdown_table(by_operator, columns)
    print("\n".join(lines))
    (options.out / f"{task}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plot_differences(by_operator, options.out / f"{task}.png")
    if TASKS[task].recipe is segmentation:
        test = segmentation.load_split(first_run_options(task, "nearest", options), "test")
        save_boundary_figure(models, test, options.out / f"{task}_boundaries.jpg")


def added_parameters(models: dict[str, Path]) -> dict[str, int]:
    """How many parameters each operator's network has beyond nearest's."""
    counts = {}
    for operator, folder in models.items():
        network, _ = read_task(folder)
        counts[operator] = sum(p.numel() for p in network.parameters())
    return {operator: number - counts["nearest"] for operator, number in counts.items()}


def step_seconds(
    task: str, operators: Sequence[str], options: argparse.Namespace
) -> dict[str, float]:
    """The median time of a training step in seconds, without data loading; in turns."""
    steps = {operator: training_step(task, operator, options) for operator in operators}
    return median_times(steps, TIMING_ROUNDS)


def training_step(task: str, operator: str, options: argparse.Namespace) -> Callable[[], None]:
    """A function that trains a trained network for one more step, always on the same batch.

    Each call seeds with the number of calls before it.
    """
    learner, batch, optimizer = resume_training(task, operator, options)
    seeds = count()

    def step() -> None:
        torch.manual_seed(next(seeds))
        torch.stack(list(learner.losses(batch).values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def resume_training(
    task: str, operator: str, options: argparse.Namespace
) -> tuple[TaskLearner, Any, Any]:
    """The learner of a trained network, the first batch of its training, and an optimizer."""
    recipe, run_options = TASKS[task].recipe, first_run_options(task, operator, options)
    network, config = read_task(run_options.out / "model")
    transform: Callable
    learner: TaskLearner
    if recipe is detection:
        transform, collate = detection.DetectionTransform(run_options), collate_instances
        names = config["model"], config["classes"]
        learner = detection.DetectionLearner(network, run_options, *names)
    else:
        transform, collate = segmentation.create_transform(run_options), default_collate
        learner = segmentation.SegmentationLearner(network, run_options, config["classes"])
    samples = training_samples(run_options, recipe.load_split(run_options, "train"), transform)
    batch = collate([samples[i] for i in range(run_options.batch_size)])
    [optimizer], _ = learner.configure_optimizers()
    return learner, batch, optimizer


def first_run_options(task: str, operator: str, options: argparse.Namespace) -> Any:
    """The options of the first seed's run."""
    out = run_folder(task, operator, options.seeds[0], options)
    return recipe_options(task, options.data / TASKS[task].folder, out, operator, options.seeds[0])


if __name__ == "__main__":
    main()
