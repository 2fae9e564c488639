"""`make dejavu DATA=...`: what regeneration (DejaVu) is worth; results in docs/dejavu.md.

    python -m benchmarks.dejavu --data DATA --tasks segmentation --seeds 0 1 2 3 4

Trains a network once for each redaction and seed, and without regeneration ("plain"), and scores
it on images that it was not trained on. All else is alike, down to the order of the images. Two
controls: "no redaction" regenerates from the whole image, "shuffled" from the prediction for
another image. A third, `control=detached`, sends the network no gradient; its weights are those of
"plain" bit for bit (tests/training/test_regenerate.py), so it needs no runs.

Finished runs are skipped and stopped ones continue, so several processes can share the work, each
with its own --seeds. Prints means and standard deviations over seeds, and the differences to
"plain" with the same seed: their mean and its 95 % interval (Student's t). Writes OUT/TASK.md,
OUT/TASK.png and, for segmentation, OUT/boundaries.jpg.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from benchmarks.task_figures import save_boundary_figure
from benchmarks.task_tables import T_QUANTILES, markdown_table, paired_difference, plot_differences
from unstride.cli.fit import parse_recipe_options
from unstride.recipes import depth, multitask, segmentation

COMMON = "width=16,blocks=2,resolution=0.5"  # a small module at half resolution
REDACTIONS = {
    "plain": None,
    "random blocks": f"random_blocks,block=8,{COMMON}",
    "checkerboard": f"checkerboard,block=8,{COMMON}",
    "without low band": f"high_pass,cutoff=0.06,{COMMON}",
    "without middle band": f"band_stop,low=0.06,high=0.35,{COMMON}",
    "without high band": f"low_pass,cutoff=0.35,{COMMON}",
    "no redaction": f"none,{COMMON}",
    "shuffled": f"random_blocks,block=8,control=shuffled,{COMMON}",
}
SPATIAL_AND_SPECTRAL = ("plain", "random blocks", "without middle band")


class Experiment(NamedTuple):
    """A config of a recipe, the folder of its data, the scored split, and what is shown of it.

    `changes` are options that differ from the config.
    """

    recipe: ModuleType
    config: str
    folder: str
    split: str
    measures: tuple[str, ...]
    redactions: tuple[str, ...]
    digits: int
    changes: Mapping[str, str]


EXPERIMENTS = {
    "segmentation": Experiment(
        segmentation, "camvid_semantic_fpn_small", "camvid", "test",
        ("miou", "boundary_miou"), tuple(REDACTIONS), 2, {"crop-size": "128x192"},
    ),
    "depth": Experiment(
        depth, "redkitchen_depth_small", "depth/redkitchen", "val",
        ("abs_rel", "rmse", "delta1"), SPATIAL_AND_SPECTRAL, 4, {},
    ),
    "multitask": Experiment(
        multitask, "redkitchen_multitask_small", "depth/redkitchen", "val",
        ("abs_rel", "delta1", "angle_mean"), SPATIAL_AND_SPECTRAL, 4, {},
    ),
}  # fmt: skip


def main() -> None:
    """Train the missing runs, then print the tables of the finished ones."""
    parser = argparse.ArgumentParser(
        prog="make dejavu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, depth/")
    parser.add_argument("--tasks", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--redactions", nargs="+", choices=REDACTIONS, help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=120, help="training steps (default: 120)")
    parser.add_argument("--out", type=Path, default=Path("runs/dejavu"))
    parser.add_argument("--report", action="store_true", help="train nothing, only print")
    options = parser.parse_args()
    if len(options.seeds) not in (1, *T_QUANTILES):
        parser.error(f"--seeds takes 1 to {max(T_QUANTILES)} seeds, got {len(options.seeds)}")
    for task in options.tasks:
        names = [n for n in EXPERIMENTS[task].redactions if n in (options.redactions or REDACTIONS)]
        for seed in options.seeds if not options.report else []:
            for name in names:
                train_and_score(task, name, seed, options)
        write_report(task, names, options)


def train_and_score(task: str, name: str, seed: int, options: argparse.Namespace) -> None:
    """Train the network with a redaction and score it, unless that is done."""
    experiment, out = EXPERIMENTS[task], run_folder(task, name, seed, options)
    if (out / f"{experiment.split}.json").is_file():
        return
    values = {
        "config": experiment.config, "data": options.data / experiment.folder, "out": out,
        "seed": seed, "device": "cpu", "steps": options.steps, "val_every": options.steps,
        "val_limit": 8, **experiment.changes,
    }  # fmt: skip
    if REDACTIONS[name]:
        values["regenerate"] = REDACTIONS[name]
    recipe_name = experiment.recipe.__name__.rpartition(".")[2]
    words = [f"--{key}={value}" for key, value in values.items()]
    run_options = parse_recipe_options("fit", recipe_name, words)["options"]
    experiment.recipe.fit(run_options)
    experiment.recipe.validate(replace(run_options, val_limit=None), split=experiment.split)
    (out / "last.ckpt").unlink(missing_ok=True)


def run_folder(task: str, name: str, seed: int, options: argparse.Namespace) -> Path:
    """The folder of a run."""
    return options.out / task / f"{name.replace(' ', '_')}-{seed}"


def write_report(task: str, names: Sequence[str], options: argparse.Namespace) -> None:
    """Print, write and plot the table of the redactions whose runs are finished."""
    experiment = EXPERIMENTS[task]
    scores: dict[str, list[Mapping[str, float]]] = {}
    for name in names:
        folders = [run_folder(task, name, seed, options) for seed in options.seeds]
        files = [folder / f"{experiment.split}.json" for folder in folders]
        if all(file.is_file() for file in files):
            read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
            scores[name] = [{m: score[m] for m in experiment.measures} for score in read]
    if "plain" not in scores:
        return
    columns = measured_columns(task, list(scores), options)
    lines = markdown_table(
        scores, columns, baseline="plain", title="redaction", digits=experiment.digits
    )
    lines += ["", *seeds_needed(scores, experiment.measures[0], experiment.digits)]
    print("\n".join(lines))
    (options.out / f"{task}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plot_differences(scores, options.out / f"{task}.png", "plain")
    if task == "segmentation":
        folders = {name: run_folder(task, name, options.seeds[0], options) for name in scores}
        card = json.loads((folders["plain"] / "card.json").read_text(encoding="utf-8"))
        data = Path(card["options"]["data"])
        run_options = segmentation.Options(data=data, dataset=card["options"]["dataset"])
        save_boundary_figure(
            {name: folder / "model" for name, folder in folders.items()},
            segmentation.load_split(run_options, "test"),
            options.out / "boundaries.jpg",
            ("plain", "random blocks", "without middle band"),
        )


def measured_columns(
    task: str, names: Sequence[str], options: argparse.Namespace
) -> dict[str, dict[str, str]]:
    """Conditioning gap and ratio of the gradients' norms in the last step, and seconds of a run."""
    columns: dict[str, dict[str, str]] = {"gap": {}, "ratio": {}, "seconds": {}}
    for name in names:
        folders = [run_folder(task, name, seed, options) for seed in options.seeds]
        cards: list[Any] = [
            json.loads((f / "card.json").read_text(encoding="utf-8")) for f in folders
        ]
        for column, key in (("gap", "gap_shuffled"), ("ratio", "ratio")):
            values = [card["regeneration"][key] for card in cards if "regeneration" in card]
            known = [value for value in values if value is not None]
            columns[column][name] = f"{statistics.mean(known):.3f}" if known else "-"
        columns["seconds"][name] = f"{statistics.mean(card['seconds'] for card in cards):.0f}"
    return columns


def seeds_needed(
    scores: Mapping[str, Sequence[Mapping[str, float]]], measure: str, digits: int
) -> list[str]:
    """How many paired seeds would tell each mean difference from zero, if it is what it seems.

    The 95 % interval's half width shrinks with the root of the number of seeds (1.96 deviations of
    the paired differences); the number is that at which it equals the difference.
    """
    lines = []
    base = [score[measure] for score in scores["plain"]]
    for name, by_seed in scores.items():
        if name == "plain" or len(by_seed) < 2:
            continue
        values = [score[measure] for score in by_seed]
        difference, _ = paired_difference(values, base)
        deviation = statistics.stdev(a - b for a, b in zip(values, base, strict=True))
        number = max((1.96 * deviation / difference) ** 2, 2) if difference else float("inf")
        lines.append(
            f"- {name}: {measure} {difference:+.{digits}f}, deviation of the differences "
            f"{deviation:.{digits}f}; about {number:.0f} seeds would settle it."
        )
    return lines


if __name__ == "__main__":
    main()
