"""`make matting DATA=...`: operators inside one matting network; results in docs/matting.md.

    python -m benchmarks.matting --data DATA --seeds 0 1 2

Trains the same small network with each pair of operators on synthetic composites over photographs
of bsds/train, and scores it on composites of other seeds over bsds/test, by kind of foreground, and
on the test photographs of alphamatting.com (GT19 to GT27, both trimaps, half the side). Beside it:
half a matte everywhere (alpha 0.5) and pymatting's closed form. Finished runs are skipped. Prints
means and deviations over seeds; writes OUT/errors.md, OUT/real.md and OUT/pictures.jpg.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader

from benchmarks.gallery import save_jpeg
from benchmarks.inpainting import write_and_print
from benchmarks.matting_scenes import KINDS, Scenes
from benchmarks.task_tables import standard_deviation
from unstride.datasets.matting import MattingPhotographs
from unstride.datasets.readable_images import ReadableImages
from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.images import find_images
from unstride.formats.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from unstride.inference.classical_matting import closed_form, resized_trimap
from unstride.losses.alpha import alpha_loss, composition_loss
from unstride.metrics.alpha import alpha_errors
from unstride.models.matting.by_name import create_matting_network, read_matting_network
from unstride.models.network_folder import write_network
from unstride.transforms.resize import resize_bilinear
from unstride.transforms.trimap import with_known_pixels
from unstride.viz.rows import captioned_row, stack_with_captions

PAIRS = {
    "nearest": ("max_pool", "nearest"),
    "bilinear": ("max_pool", "bilinear"),
    "deconv": ("max_pool", "deconv"),
    "max_unpool": ("max_pool", "max_unpool"),
    "carafe": ("max_pool", "carafe"),
    "index": ("index_down", "index"),
    "a2u, up only": ("max_pool", "a2u"),
    "a2u, up and down": ("a2u_down", "a2u"),
    "sapa": ("max_pool", "sapa"),
    "fade": ("max_pool", "fade"),
    "dysample": ("max_pool", "dysample"),
}
NETWORK = {"width": 16, "blocks": [1, 1, 1], "decoder_kernel_size": 3}
SIDE, BATCH, RATE = 96, 8, 2e-3
TEST_SCENES, TEST_SEED = 120, 1_000_003
ERRORS = "sad", "mse", "grad", "conn"
SHOWN = range(4)
Estimate = Callable[[Tensor, Tensor], Tensor]  # alpha "h w" of an image "1 3 h w" and a trimap


def main() -> None:
    """Train what is missing, then print the tables."""
    parser = argparse.ArgumentParser(
        prog="make matting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with bsds/, matting/")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=500, help="training steps (default: 500)")
    parser.add_argument("--out", type=Path, default=Path("runs/matting"))
    options = parser.parse_args()
    errors = {
        "alpha 0.5": [score("half", half, options)],
        "closed form": [score("closed_form", closed_form_or_half, options)],
    }
    for pair in options.pairs:
        errors[pair] = [run(pair, seed, options) for seed in options.seeds]
    write_tables(errors, options)
    save_pictures(options)


def run(pair: str, seed: int, options: argparse.Namespace) -> Path:
    """Train and score a pair, unless that is done; returns the file of its errors."""
    folder = options.out / f"{file_name(pair)}-{seed}"
    if not (folder / "config.json").is_file():
        train(pair, seed, folder, options)
    network = read_matting_network(folder)

    def estimate(image: Tensor, trimap: Tensor) -> Tensor:
        return network(image, trimap[None, None])[0, 0]

    return score(folder.name, estimate, options)


def train(pair: str, seed: int, folder: Path, options: argparse.Namespace) -> None:
    """Train a network on synthetic composites and write it."""
    down, up = PAIRS[pair]
    network_options = NETWORK | {"down": down, "up": up}
    torch.manual_seed(seed)
    network = create_matting_network("a2u_net", **network_options).train()
    images = photographs(options.data / "bsds/train/images")
    scenes = Scenes(images, SIDE, length=options.steps * BATCH, seed=seed)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, options.steps)
    for step, batch in enumerate(DataLoader(scenes, BATCH)):
        alpha = network.predict(batch["image"], batch["trimap"])
        is_unknown = batch["trimap"] == UNKNOWN
        colours = batch["image"], batch["foreground"], batch["background"]
        loss = alpha_loss(alpha, batch["alpha"], is_unknown)
        loss = (loss + composition_loss(alpha, *colours, is_unknown)) / 2
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(f"{pair}, seed {seed}: step {step}, loss {loss.item():.4f}", flush=True)
    write_network(folder, "matting", {"model": "a2u_net", "options": network_options}, network)


@torch.no_grad()
def score(name: str, estimate: Estimate, options: argparse.Namespace) -> Path:
    """Score a method on scenes and photographs, unless that is done; returns the file."""
    path = options.out / "errors" / f"{name}.json"
    if not path.is_file():
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for index in range(TEST_SCENES):
            kind = list(KINDS)[index % len(KINDS)]
            found[kind].append(errors_of(estimate, test_scenes(options.data)[index]))
        for trimaps in ("trimap1", "trimap2"):
            found[trimaps] = [
                errors_of(estimate, sample) for sample in real_samples(options.data, trimaps)
            ]
        atomic_write_text(path, json.dumps(found))
    return path


def errors_of(estimate: Estimate, sample: Mapping[str, Tensor]) -> dict[str, float]:
    """The errors on one sample, with known pixels as the trimap has them."""
    trimap = sample["trimap"][0]
    alpha = with_known_pixels(estimate(sample["image"][None], trimap), trimap)
    return alpha_errors(alpha, sample["alpha"][0], trimap == UNKNOWN)


@cache
def photographs(folder: Path) -> ReadableImages:
    """The images in a folder."""
    return ReadableImages(find_images([folder]))


@cache
def test_scenes(data: Path) -> Scenes:
    """Synthetic composites that no network has seen."""
    images = photographs(data / "bsds/test/images")
    return Scenes(images, SIDE, length=TEST_SCENES, seed=TEST_SEED)


@cache
def real_samples(data: Path, trimaps: str) -> list[dict[str, Tensor]]:
    """The test photographs at half their side."""
    dataset = MattingPhotographs(data / "matting", trimaps)
    chosen = [i for i, p in enumerate(dataset.images) if int(p.stem[2:]) >= 19]
    samples = []
    for i in chosen:
        sample = dataset[i]
        size = sample["image"].shape[1] // 2, sample["image"].shape[2] // 2
        image = resize_bilinear(sample["image"][None], size)[0].clamp(0, 1)
        alpha = interpolate(sample["alpha"][None], size, mode="area")[0]
        trimap = resized_trimap(sample["trimap"][0], size)[None]
        samples.append({"image": image, "alpha": alpha, "trimap": trimap})
    return samples


def closed_form_or_half(image: Tensor, trimap: Tensor) -> Tensor:
    """Pymatting's closed form; one half where the trimap knows no foreground or no background."""
    known = [(trimap == value).any() for value in (FOREGROUND, BACKGROUND)]
    return closed_form(image, trimap) if all(known) else half(image, trimap)


def half(image: Tensor, trimap: Tensor) -> Tensor:
    """A matte of one half."""
    del image
    return torch.full(trimap.shape, 0.5)


def write_tables(errors: Mapping[str, Sequence[Path]], options: argparse.Namespace) -> None:
    """Print and write the SAD by kind, and all errors on photographs."""
    read = {
        name: [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        for name, paths in errors.items()
    }
    lines = [f"| SAD | {' | '.join(KINDS)} | all |", "|" + "---|" * (len(KINDS) + 2)]
    for name, runs in read.items():
        groups = [*([kind] for kind in KINDS), list(KINDS)]
        cells = [
            mean_text([[e["sad"] for kind in group for e in run[kind]] for run in runs])
            for group in groups
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_and_print(options.out / "errors.md", lines)
    titles = [f"{error}, {t}" for t in ("trimap1", "trimap2") for error in ERRORS]
    lines = [f"| photographs | {' | '.join(titles)} |", "|" + "---|" * (len(titles) + 1)]
    for name, runs in read.items():
        cells = [
            mean_text([[e[error] for e in run[t]] for run in runs])
            for t in ("trimap1", "trimap2")
            for error in ERRORS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_and_print(options.out / "real.md", lines)


def mean_text(by_run: Sequence[Sequence[float]]) -> str:
    """The mean over samples and runs; with several runs the deviation of their means."""
    means = [statistics.mean(values) for values in by_run]
    text = f"{statistics.mean(means):.3f}"
    return text if len(means) == 1 else f"{text} ± {standard_deviation(means):.3f}"


@torch.no_grad()
def save_pictures(options: argparse.Namespace) -> None:
    """Draw scenes and a photograph, chosen by index, with the mattes of all pairs."""
    samples = [test_scenes(options.data)[i] for i in SHOWN] + real_samples(options.data, "trimap1")[
        :1
    ]
    networks = {
        pair: read_matting_network(options.out / f"{file_name(pair)}-{options.seeds[0]}")
        for pair in options.pairs
    }
    rows = []
    for number, sample in enumerate(samples):
        shown = [("image", sample["image"][None]), ("trimap", grey(sample["trimap"][0] / 255))]
        for pair, network in networks.items():
            alpha = network(sample["image"][None], sample["trimap"][None])[0, 0]
            shown.append((pair, grey(alpha)))
        shown.append(("truth", grey(sample["alpha"][0])))
        rows.append((f"sample {number}", captioned_row(shown, 128)))
    save_jpeg(stack_with_captions(rows), options.out / "pictures.jpg")


def grey(matte: Tensor) -> Tensor:
    """A matte as a picture "1 3 h w"."""
    return matte.expand(1, 3, -1, -1)


def file_name(name: str) -> str:
    """A name without commas and spaces."""
    return name.replace(", ", "_").replace(" ", "_")


if __name__ == "__main__":
    main()
