"""`make swap-finetune DATA=...`: a trained network, swapped and trained on; see docs/swap.md.

    python -m benchmarks.swap_finetune --data DATA --seeds 0 1 2

What people do: take a trained network, put another operator into it with `swap`, and train it for a
third of the steps more. Trains Semantic FPN with nearest neighbour on CamVid, then every operator
from these weights, and "none", which trains on without a swap. Scores on the test split before and
after; finished runs are skipped and stopped ones continue. Prints means and standard deviations
over seeds, and differences to "none" with the same seed, with 95 % intervals (Student's t).

--floors trains carafe once more with each of these as the start's floor, the share of the weight
that begins on all taps of the window.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.swap_changes import OPERATORS
from benchmarks.task_tables import T_QUANTILES, markdown_table, plot_differences
from benchmarks.tasks import recipe_options
from unstride import swap
from unstride.datasets.base import evenly_spaced_subset
from unstride.formats.atomic_write import atomic_write_text
from unstride.models.task_network import read_task
from unstride.recipes import segmentation
from unstride.training.data_module import RunDataModule
from unstride.training.task_run import start_run, training_samples
from unstride.upsamplers import start

TASK = "camvid_semantic_fpn_small"
NONE = "none"
FLOOR = "carafe, floor "
SHARE = 3  # of the steps of the first training, one in three
RATE_FACTOR = 0.3  # of the first training's learning rate
SCORES = "miou", "boundary_miou"


def main() -> None:
    """Train the missing runs, then print the table."""
    parser = argparse.ArgumentParser(
        prog="make swap-finetune",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/")
    parser.add_argument("--operators", nargs="+", default=OPERATORS)
    parser.add_argument("--floors", type=float, nargs="*", default=[], help="default: none")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="steps of the first training (default: config's)")
    parser.add_argument("--out", type=Path, default=Path("runs/swap_finetune"))
    options = parser.parse_args()
    if len(options.seeds) not in (1, *T_QUANTILES):
        parser.error(f"--seeds takes 1 to {max(T_QUANTILES)} seeds, got {len(options.seeds)}")
    names = [NONE, *options.operators, *(f"{FLOOR}{floor:g}" for floor in options.floors)]
    after: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    before: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in options.seeds:
        base = train_first(seed, options)
        for name in names:
            with floor_of(name):
                scores = finetune(name, seed, base, options)
            before[name].append({m: scores["before"][m] for m in SCORES})
            after[name].append({m: scores["after"][m] for m in SCORES})
    for title, by_operator in (("on day one", before), ("after training on", after)):
        lines = markdown_table(by_operator, {}, baseline=NONE, title=title)
        print("\n".join(lines), end="\n\n")
        file = options.out / f"{title.replace(' ', '_')}.md"
        atomic_write_text(file, "\n".join(lines) + "\n")
    plot_differences(after, options.out / "differences.png", NONE)


def train_first(seed: int, options: argparse.Namespace) -> Any:
    """Train the network with nearest neighbour, unless that is done; returns its options."""
    out = options.out / f"first-{seed}"
    run_options = recipe_options(TASK, options.data / "camvid", out, "nearest", seed)
    if options.steps:
        run_options = replace(run_options, steps=options.steps, val_every=options.steps)
    if not (out / "card.json").is_file():
        segmentation.fit(run_options)
        (out / "last.ckpt").unlink(missing_ok=True)
    return run_options


@contextmanager
def floor_of(name: str) -> Iterator[None]:
    """Let operators start with the floor that a name has, if it has one."""
    usual = start.FLOOR
    if name.startswith(FLOOR):
        start.FLOOR = float(name.removeprefix(FLOOR))
    try:
        yield
    finally:
        start.FLOOR = usual


def finetune(
    name: str, seed: int, base: Any, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Swap and train on, unless that is done; returns the scores before and after."""
    out = options.out / f"{name.replace(', ', '_').replace(' ', '_')}-{seed}"
    file = out / "scores.json"
    if file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))
    steps = max(base.steps // SHARE, 1)
    run_options = replace(
        base, out=out, steps=steps, val_every=steps, learning_rate=RATE_FACTOR * base.learning_rate
    )
    train_data = segmentation.load_split(run_options, "train")
    test = segmentation.load_split(run_options, "test")
    network, config = read_task(base.out / "model")
    if name != NONE:
        swap(network, name.partition(",")[0], example=test[0][0][None])
    run = start_run(run_options, segmentation.SegmentationLearner.monitor)
    learner = segmentation.SegmentationLearner(network, run_options, config["classes"])
    samples = training_samples(run_options, train_data, segmentation.create_transform(run_options))
    val_data = evenly_spaced_subset(segmentation.load_split(run_options, "val"), 1)
    scored = RunDataModule(test, test, run_options)
    before = run.validate(learner, scored)
    run.fit(learner, RunDataModule(samples, val_data, run_options))
    scores = {"before": before, "after": run.validate(learner, scored)}
    atomic_write_text(file, json.dumps(scores))
    (out / "last.ckpt").unlink(missing_ok=True)
    return scores


if __name__ == "__main__":
    main()
