"""`make inpainting DATA=...`: what fills holes best; results in docs/inpainting.md.

    python -m benchmarks.inpainting --data DATA --seeds 0 1 2

Trains small networks on photographs (bsds/train, coco/train2017, imagenet_samples) with absolute
errors alone, and scores them beside classical methods on the test images of BSDS500: the centre
crop, a box or strokes that depend on the image's index. Finished runs are skipped and stopped ones
continue. Prints means over images, and their standard deviation over seeds; `distance` is LPIPS
without learned weights, on the features of the default backbone. Writes OUT/KIND.md, OUT/areas.md
(scores by the hole's area) and OUT/pictures.jpg (images chosen by index).

--model adds a finished network, such as the one that comes with the package.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gallery import save_jpeg
from benchmarks.task_tables import standard_deviation
from unstride.backbones.pyramid import Pyramid, create_pyramid
from unstride.cli.fit import parse_recipe_options
from unstride.datasets.fixed_holes import FixedHoles
from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.images import find_images
from unstride.inference.classical_inpainting import CLASSICAL
from unstride.metrics import inpainting as metrics
from unstride.metrics.inpainting import as_saved, inpainting_scores
from unstride.metrics.lpips import feature_distance
from unstride.models.inpainting.by_name import read_inpainter
from unstride.recipes import inpainting
from unstride.transforms.holed_crop import CentreHole
from unstride.viz.rows import captioned_row, stack_with_captions

WIDTH = 12
ARMS: dict[str, dict[str, Any]] = {
    "coarse only": {"refine": False},
    "no attention": {"attention": "none"},
    "attention, no propagation": {"attention": "no_propagation"},
    "attention": {},
    "attention, deconv": {"upsampler": "deconv"},
    "attention, carafe": {"upsampler": "carafe"},
}
TRAINING = {
    "size": "128x128", "batch-size": 8, "adversary": "none", "discount": 1, "learning-rate": 0.001,
    "lr-schedule": "cosine", "warmup-steps": 50, "device": "cpu", "val-every": 500,
    "val-limit": 20, "save-every": 100,
}  # fmt: skip
FOLDERS = "bsds/train/images", "coco/train2017", "imagenet_samples"
KINDS = "box", "strokes"
AREAS = 0.0, 0.1, 0.2, 0.3, 1.0
SCORES = *metrics.SCORES, "distance"
BACKBONE, STRIDES = "tf_efficientnet_lite0", (2, 4, 8, 16)
SHOWN = 0, 50, 100, 150
Fill = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Train what is missing, score what is missing, then print the tables."""
    parser = argparse.ArgumentParser(
        prog="make inpainting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with bsds/, coco/, ...")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1000, help="training steps (default: 1000)")
    parser.add_argument("--side", type=int, default=128, help="of test images, in pixels")
    parser.add_argument("--images", type=int, default=None, help="test images (default: all)")
    parser.add_argument("--model", type=Path, help="folder of one more network")
    parser.add_argument("--out", type=Path, default=Path("runs/inpainting"))
    options = parser.parse_args()
    scores: dict[str, list[Path]] = {
        name: [score(name, fill, options)] for name, fill in CLASSICAL.items()
    }
    for arm in options.arms:
        folders = [train(arm, seed, options) for seed in options.seeds]
        if folders:
            scores[arm] = [
                score(f"{arm}-{seed}", read_inpainter(folder), options)
                for seed, folder in zip(options.seeds, folders, strict=True)
            ]
    if options.model:
        scores["the package's network"] = [score("package", read_inpainter(options.model), options)]
    write_tables(scores, options)
    save_pictures(options)


def train(arm: str, seed: int, options: argparse.Namespace) -> Path:
    """Train an arm, unless that is done; returns the network's folder."""
    out = options.out / f"{file_name(arm)}-{seed}"
    if not (out / "card.json").is_file():
        network_options = {"width": WIDTH} | ARMS[arm]
        images = [str(options.data / folder) for folder in FOLDERS]
        values = TRAINING | {
            "images": json.dumps(images), "val-images": options.data / "bsds/val/images",
            "model-options": json.dumps(network_options), "steps": options.steps, "seed": seed,
            "out": out,
        }  # fmt: skip
        words = [f"--{name}={value}" for name, value in values.items()]
        inpainting.fit(parse_recipe_options("fit", "inpainting", words)["options"])
        (out / "last.ckpt").unlink(missing_ok=True)
    return out / "model"


def test_images(kind: str, options: argparse.Namespace) -> FixedHoles:
    """The test images and their holes."""
    paths = sorted(find_images([options.data / "bsds/test/images"]))[: options.images]
    return FixedHoles(paths, CentreHole((options.side, options.side), kind))  # type: ignore[arg-type]


@torch.no_grad()
def score(name: str, fill: Fill, options: argparse.Namespace) -> Path:
    """Score a method on all test images, unless that is done; returns the file."""
    path = options.out / "scores" / f"{file_name(name)}-{options.side}.json"
    if not path.is_file():
        found: dict[str, list[dict[str, float]]] = {}
        for kind in KINDS:
            found[kind] = []
            for image, is_hole in test_images(kind, options):
                filled = fill(image[None], is_hole[None])
                entry = inpainting_scores(filled, image[None], is_hole[None])
                entry["distance"] = perceptual_distance(filled, image[None])
                found[kind].append(entry | {"area": is_hole.float().mean().item()})
        atomic_write_text(path, json.dumps(found))
    return path


def perceptual_distance(filled: Tensor, truth: Tensor) -> float:
    """The distance of the default backbone's features."""
    features = backbone()(torch.cat([as_saved(filled), truth]))
    first, second = ({stride: m[i : i + 1] for stride, m in features.items()} for i in (0, 1))
    return feature_distance(first, second).item()


@cache
def backbone() -> Pyramid:
    """The default backbone, whose weights are a package's."""
    return create_pyramid(BACKBONE, STRIDES).eval()


def write_tables(scores: Mapping[str, Sequence[Path]], options: argparse.Namespace) -> None:
    """Print and write the tables of each kind of hole, and by area."""
    read = {
        name: [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        for name, paths in scores.items()
    }
    for kind in KINDS:
        lines = [f"| {kind} | {' | '.join(SCORES)} |", "|" + "---|" * (len(SCORES) + 1)]
        for name, runs in read.items():
            cells = [mean_and_spread([[e[s] for e in run[kind]] for run in runs]) for s in SCORES]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        write_and_print(options.out / f"{kind}-{options.side}.md", lines)
    bins = list(pairwise(AREAS))
    titles = [f"{100 * low:.0f} to {100 * high:.0f} %" for low, high in bins]
    lines = [f"| hole_psnr by area | {' | '.join(titles)} |", "|" + "---|" * (len(bins) + 1)]
    for name, runs in read.items():
        cells = []
        for low, high in bins:
            values = [
                [e["hole_psnr"] for kind in KINDS for e in run[kind] if low <= e["area"] < high]
                for run in runs
            ]
            cells.append(mean_and_spread(values) if values[0] else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_and_print(options.out / f"areas-{options.side}.md", lines)


def mean_and_spread(by_run: Sequence[Sequence[float]]) -> str:
    """The mean over images and runs; with several runs the deviation of their means."""
    means = [statistics.mean(values) for values in by_run]
    text = f"{statistics.mean(means):.2f}"
    return text if len(means) == 1 else f"{text} ± {standard_deviation(means):.2f}"


def write_and_print(path: Path, lines: Sequence[str]) -> None:
    """Print a table and write it."""
    print("\n".join(lines), end="\n\n")
    atomic_write_text(path, "\n".join(lines) + "\n")


@torch.no_grad()
def save_pictures(options: argparse.Namespace) -> None:
    """Draw test images, chosen by index, as every method fills them."""
    methods: dict[str, Fill] = {"telea": CLASSICAL["telea"]}
    for arm in options.arms:
        folder = options.out / f"{file_name(arm)}-{options.seeds[0] if options.seeds else 0}/model"
        if folder.is_dir():
            methods[arm] = read_inpainter(folder)
    if options.model:
        methods["package"] = read_inpainter(options.model)
    rows = []
    for kind in KINDS:
        images = test_images(kind, options)
        for index in SHOWN:
            if index >= len(images):
                continue
            image, is_hole = (part[None] for part in images[index])
            shown = [("hole", image.masked_fill(is_hole, 1))]
            shown += [(name, fill(image, is_hole)) for name, fill in methods.items()]
            rows.append((f"{kind}, image {index}", captioned_row([*shown, ("truth", image)], 128)))
    save_jpeg(stack_with_captions(rows), options.out / f"pictures-{options.side}.jpg")


def file_name(name: str) -> str:
    """A name without commas and spaces."""
    return name.replace(", ", "_").replace(" ", "_")


if __name__ == "__main__":
    main()
