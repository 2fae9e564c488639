"""`make pretraining DATA=...`: what pretraining on pixels is worth; results in docs/pixpro.md.

    python -m benchmarks.pretraining --data DATA --seeds 0 1 2

Trains a small backbone from random weights with each method, on CamVid's training images without
their labels, then reads the frozen features with linear and nearest-neighbour probes and trains
networks that start from the backbone. Every method sees the same number of images. Before probing,
the batch norms of every backbone are set to the statistics of the training images, those of the
random one as well.

Controls: "random" is not trained; "permuted" matches cells with the places of another image;
without propagation PixPro's features are expected to collapse.

Finished runs are skipped and stopped ones continue, so several processes can share the work, each
with its own --seeds. Prints means and standard deviations over seeds, and differences to "random"
with 95 % intervals (Student's t); writes OUT/TASK.md, OUT/TASK.png and OUT/curves.png.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils.data import DataLoader, Dataset

from benchmarks.task_tables import T_QUANTILES, markdown_table, plot_differences
from unstride.backbones.pyramid import Pyramid, create_pyramid, create_pyramid_model
from unstride.cli.fit import parse_recipe_options
from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import SEGMENTATION_DATASETS
from unstride.evaluation.dense_probes import ProbeOptions, calibrate_batch_norms, probe_scores
from unstride.formats.atomic_write import atomic_write_text
from unstride.recipes import byol, densecl, detection, pixcontrast, pixpro, segmentation
from unstride.saving.backbone_names import write_backbone
from unstride.training.dataset_splits import load_dataset

BACKBONE, STRIDE = "test_resnet", 8
METHODS: dict[str, tuple[Any, dict[str, Any]] | None] = {
    "random": None,
    "pixcontrast": (pixcontrast, {}),
    "pixcontrast, permuted": (pixcontrast, {"permuted": "true"}),
    "pixpro": (pixpro, {}),
    "pixpro, permuted": (pixpro, {"permuted": "true"}),
    "pixpro, no propagation": (pixpro, {"propagation": "false"}),
    "pixpro + instance": (pixpro, {"instance-weight": 1}),
    "byol": (byol, {}),
    "densecl": (densecl, {"queue-length": 4096}),
}
PRETRAINING = {
    "backbone": BACKBONE, "stride": STRIDE, "size": "96x96", "scale-range": "[0.2, 1.0]",
    "hidden-channels": 256, "out-channels": 128, "optimizer": "adamw", "learning-rate": 0.001,
    "weight-decay": 1e-4, "momentum": 0.98, "batch-size": 16, "save-every": 50, "device": "cpu",
    "probe-limit": 24,
}  # fmt: skip
FEW_LABELS = 37  # a tenth of the training images


class Transfer(NamedTuple):
    """A training that starts from the pretrained backbone."""

    recipe: Any
    folder: str
    split: str
    measures: tuple[str, ...]
    options: Mapping[str, Any]


TRANSFERS = {
    "segmentation": Transfer(
        segmentation, "camvid", "test", ("miou", "boundary_miou"),
        {
            "config": "camvid_semantic_fpn_small", "crop-size": "128x192", "steps": 120,
            "backbone-lr-factor": 1.0,
        },
    ),
    "detection": Transfer(
        detection, "pennfudan", "test", ("box_ap", "box_ap50"),
        {
            "config": "pennfudan_mask_rcnn_small", "model": "faster_rcnn", "steps": 200,
            "backbone-lr-factor": 1.0,
        },
    ),
}  # fmt: skip


class ThirdSize(Dataset):
    """A labelled data set whose images and labels are a third as high and wide.

    Things are then about as large as in the views from which the backbone learned.
    """

    def __init__(self, dataset: Any):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, labels = self.dataset[index]
        return avg_pool2d(image, 3), labels[1::3, 1::3]


def main() -> None:
    """Do what is missing, then print the tables of what is finished."""
    parser = argparse.ArgumentParser(
        prog="make pretraining",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, pennfudan/")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400, help="pretraining steps (default: 400)")
    parser.add_argument(
        "--transfers", nargs="*", choices=TRANSFERS, default=list(TRANSFERS), help="default: all"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/pretraining"))
    parser.add_argument("--report", action="store_true", help="train nothing, only print")
    options = parser.parse_args()
    if len(options.seeds) not in (1, *T_QUANTILES):
        parser.error(f"--seeds takes 1 to {max(T_QUANTILES)} seeds, got {len(options.seeds)}")
    for seed in options.seeds if not options.report else []:
        for method in options.methods:
            pretrain_and_probe(method, seed, options)
        for transfer in options.transfers:
            for method in options.methods:
                train_and_score(transfer, method, seed, options)
    write_report("probes", options)
    for transfer in options.transfers:
        write_report(transfer, options)
    plot_curves(options)


def run_folder(method: str, seed: int, options: argparse.Namespace) -> Path:
    """The folder of a backbone."""
    name = method.replace(",", "").replace(" + ", "_").replace(" ", "_")
    return options.out / f"{name}-{seed}"


def pretrain_and_probe(method: str, seed: int, options: argparse.Namespace) -> None:
    """Pretrain a backbone and probe it, unless that is done."""
    out = run_folder(method, seed, options)
    if (out / "probes.json").is_file():
        return
    camvid = options.data / "camvid"
    chosen = METHODS[method]
    if (out / "card.json").is_file():
        pass  # it is trained
    elif chosen is None:
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        state = create_pyramid_model(BACKBONE, pretrained=False).state_dict()
        write_backbone(out / "backbone.safetensors", state)
    else:
        recipe, changes = chosen
        values = PRETRAINING | changes | {
            "images": camvid / "train", "out": out, "seed": seed, "steps": options.steps,
            "warmup-steps": options.steps // 10, "probe-data": camvid,
            "probe-every": max(options.steps // 5, 1),
        }  # fmt: skip
        recipe.fit(recipe_options(recipe, values))
        (out / "last.ckpt").unlink(missing_ok=True)
    scores = frozen_scores(out / "backbone.safetensors", camvid)
    atomic_write_text(out / "probes.json", json.dumps(scores))


def frozen_scores(weights: Path, camvid: Path) -> dict[str, float]:
    """Mean IoU on the test split of each probe, and of the linear one from few labels."""
    splits = {
        split: ThirdSize(load_dataset(SEGMENTATION_DATASETS, "camvid", camvid, split))
        for split in ("train", "test")
    }
    classes = len(splits["train"].dataset.classes)
    pyramid = create_pyramid(BACKBONE, (STRIDE,), weights=weights).eval()
    images = (image for image, _ in DataLoader(splits["train"], batch_size=16))
    calibrate_batch_norms(pyramid, images)
    few = evenly_spaced_subset(splits["train"], FEW_LABELS)
    scores = {}
    for name, train_data in (("", splits["train"]), (f"_{FEW_LABELS}", few)):
        found = probe_scores(
            encoder(pyramid), train_data, splits["test"], classes, ProbeOptions()
        )  # fmt: skip
        scores |= {f"{probe}{name}": score for probe, score in found.items()}
    return {name: scores[name] for name in ("linear", f"linear_{FEW_LABELS}", "in_context", "knn")}


def encoder(pyramid: Pyramid) -> Any:
    """A function that returns the features of an image."""
    return lambda image: pyramid(image)[STRIDE]


def train_and_score(transfer: str, method: str, seed: int, options: argparse.Namespace) -> None:
    """Train a network from the backbone and score it, unless that is done."""
    recipe, folder, split, _, changes = TRANSFERS[transfer]
    backbone = run_folder(method, seed, options)
    out = backbone / transfer
    if (out / f"{split}.json").is_file():
        return
    values = {
        **changes, "backbone": BACKBONE, "backbone-weights": backbone / "backbone.safetensors",
        "data": options.data / folder, "out": out, "seed": seed, "device": "cpu",
        "val-every": changes["steps"], "val-limit": 8,
    }  # fmt: skip
    run_options = recipe_options(recipe, values)
    recipe.fit(run_options)
    recipe.validate(replace(run_options, val_limit=None), split=split)
    (out / "last.ckpt").unlink(missing_ok=True)


def recipe_options(recipe: Any, values: Mapping[str, Any]) -> Any:
    """The options of a recipe, as from the command line."""
    words = [f"--{name}={value}" for name, value in values.items()]
    return parse_recipe_options("fit", recipe.__name__.rpartition(".")[2], words)["options"]


def write_report(task: str, options: argparse.Namespace) -> None:
    """Print, write and plot the table of the methods whose runs are finished."""
    scores: dict[str, list[Mapping[str, float]]] = {}
    for method in options.methods:
        folders = [run_folder(method, seed, options) for seed in options.seeds]
        files = [score_file(task, folder) for folder in folders]
        if all(file.is_file() for file in files):
            read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
            measures = TRANSFERS[task].measures if task in TRANSFERS else read[0].keys()
            scores[method] = [{m: score[m] for m in measures} for score in read]
    if "random" not in scores or len(scores) == 1:
        return
    lines = markdown_table(scores, {}, baseline="random", title=task)
    print("\n".join(lines))
    (options.out / f"{task}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plot_differences(scores, options.out / f"{task}.png", "random")


def score_file(task: str, folder: Path) -> Path:
    """The file with a backbone's scores."""
    if task in TRANSFERS:
        return folder / task / f"{TRANSFERS[task].split}.json"
    return folder / "probes.json"


CURVES = {
    "loss": "loss", "target_spread": "spread of the targets", "matches_per_cell": "matches a cell",
    "in_context": "in-context probe, mIoU",
}  # fmt: skip


def plot_curves(
    options: argparse.Namespace, methods: Sequence[str] = ("pixpro", "pixpro, no propagation")
) -> None:
    """Plot loss, monitors and a probe of a healthy and of a collapsing run, of the first seed."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    files = {m: run_folder(m, options.seeds[0], options) / "card.json" for m in methods}
    if not all(file.is_file() for file in files.values()):
        return
    figure, panels = plt.subplots(1, len(CURVES), figsize=(13, 3), layout="constrained")
    for method, file in files.items():
        card = json.loads(file.read_text(encoding="utf-8"))
        curves = {"loss": list(zip(*card["curve"], strict=True))}
        for name, entries in (
            ("target_spread", card["monitors"]), ("matches_per_cell", card["monitors"]),
            ("in_context", card["probes"]),
        ):  # fmt: skip
            curves[name] = [[e["step"] for e in entries], [e[name] for e in entries]]
        for panel, name in zip(panels, CURVES, strict=True):
            panel.plot(*curves[name], label=method, linewidth=1.2)
    for panel, title in zip(panels, CURVES.values(), strict=True):
        panel.set_title(title)
        panel.set_xlabel("step")
    panels[1].set_ylim(0, 1.05)
    panels[0].legend()
    figure.savefig(options.out / "curves.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
