"""`make inpainting-twin DATA=...`: a task that attention must win; results in docs/inpainting.md.

    python -m benchmarks.inpainting_twin --data DATA --seeds 0 1 2

A patch of each photograph is copied to another place, and the hole lies in one of the two copies:
what fills it stands elsewhere in the image. It is a made-up task, for which the content is known.
Trains the same network with attention, without its propagation, and with the attention layer left
out, which has as many parameters; prints hole PSNR on fixed images beside Telea's.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.inpainting import FOLDERS, write_and_print
from benchmarks.task_tables import paired_difference, standard_deviation
from unstride.datasets.readable_images import ReadableImages
from unstride.datasets.shuffled import ShuffledDataset
from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.images import find_images
from unstride.inference.classical_inpainting import CLASSICAL
from unstride.losses.inpainting import discounted_l1
from unstride.metrics.inpainting import inpainting_scores
from unstride.models.inpainting.by_name import ATTENTIONS, create_inpainter
from unstride.transforms.center_crop import center_crop_resize

SIDE, PATCH, HOLE = 96, 40, 20  # pixels
WIDTH, BATCH, RATE = 12, 8, 1e-3
ARMS = {"attention": "contextual", "no propagation": "no_propagation", "no attention": "none"}
TEST_IMAGES, TEST_SEED = 96, 1_000_003


class Twins:
    """Copies a patch within an image and puts a hole into the middle of one of the copies."""

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The image "3 h w" with its copy, and the hole."""
        image = center_crop_resize(image[None], SIDE)[0].clone()
        places = torch.randint(0, SIDE - PATCH + 1, (2, 2))
        while (places[0] - places[1]).abs().max() < PATCH:  # the copies do not overlap
            places = torch.randint(0, SIDE - PATCH + 1, (2, 2))
        (y, x), (to_y, to_x) = places.tolist()
        patch = image[:, y : y + PATCH, x : x + PATCH].clone()
        image[:, to_y : to_y + PATCH, to_x : to_x + PATCH] = patch
        is_hole = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
        margin = (PATCH - HOLE) // 2
        top, left = to_y + margin, to_x + margin
        is_hole[:, top : top + HOLE, left : left + HOLE] = True
        return image, is_hole


def main() -> None:
    """Train the missing runs, then print the table."""
    assert set(ARMS.values()) == set(ATTENTIONS)
    parser = argparse.ArgumentParser(
        prog="make inpainting-twin",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with bsds/, coco/, ...")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600, help="training steps (default: 600)")
    parser.add_argument("--out", type=Path, default=Path("runs/inpainting_twin"))
    options = parser.parse_args()
    test = samples([options.data / "bsds/test/images"], TEST_IMAGES, TEST_SEED)
    scores = {arm: [run(arm, seed, test, options) for seed in options.seeds] for arm in ARMS}
    telea = [psnr(CLASSICAL["telea"], *test[i]) for i in range(TEST_IMAGES)]
    lines = ["| network | hole PSNR, dB | against no attention |", "|---|---|---|"]
    for arm, values in scores.items():
        text = f"{statistics.mean(values):.2f} ± {standard_deviation(values):.2f}"
        gain, half_width = paired_difference(values, scores["no attention"])
        against = "" if arm == "no attention" else f"{gain:+.2f} ± {half_width:.2f}"
        lines.append(f"| {arm} | {text} | {against} |")
    lines.append(f"| Telea | {statistics.mean(telea):.2f} | |")
    write_and_print(options.out / "twin.md", lines)


def samples(folders: list[Path], count: int, seed: int) -> Dataset:
    """Twins of the images in the folders."""
    images = ReadableImages(find_images(folders))
    return ShuffledDataset(images, Twins(), length=count, seed=seed)


def run(arm: str, seed: int, test: Dataset, options: argparse.Namespace) -> float:
    """Train an arm and return its mean hole PSNR, unless that is done."""
    path = options.out / f"{arm.replace(' ', '_')}-{seed}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))["hole_psnr"]
    torch.manual_seed(seed)
    network = create_inpainter("deepfill", width=WIDTH, attention=ARMS[arm])
    folders = [options.data / folder for folder in FOLDERS]
    loader = DataLoader(samples(folders, options.steps * BATCH, seed), BATCH)
    optimizer = torch.optim.Adam(network.parameters(), RATE, betas=(0.5, 0.9))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, options.steps)
    for step, (images, is_hole) in enumerate(loader):
        stages = network.predict(images, is_hole)
        weights = is_hole.float(), torch.ones_like(is_hole, dtype=torch.float)
        losses = [discounted_l1(stage, images, w) for stage in stages for w in weights]
        torch.stack(losses).sum().backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(f"{arm}, seed {seed}: step {step}, loss {sum(losses).item():.3f}", flush=True)
    network.eval()
    mean = statistics.mean(psnr(network, *test[i]) for i in range(TEST_IMAGES))
    atomic_write_text(path, json.dumps({"hole_psnr": mean, "steps": options.steps}))
    return mean


@torch.no_grad()
def psnr(fill, image: Tensor, is_hole: Tensor) -> float:
    """Hole PSNR of a filled image, in dB."""
    filled = fill(image[None], is_hole[None])
    return inpainting_scores(filled, image[None], is_hole[None])["hole_psnr"]


if __name__ == "__main__":
    main()
