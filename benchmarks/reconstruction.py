"""`make reconstruct`: reconstructs images after one learned step down and up, for every pair.

The toy experiment of Dai et al., "Learning Affinity-Aware Upsampling for Deep Image Matting",
CVPR 2021, arXiv:2011.14288: which operators keep what a step down loses? One small network has a
convolution before, between and after the two steps, and no skip connection except what an operator
itself lets through. All pairs see the same crops in the same order; three seeds. The learning
rate was not tuned for any of them. It is not the paper's setting: its images and network are not
known here.

    python -m benchmarks.reconstruction --train 'bsds/train/**/*.jpg' --test kodak
"""

import argparse
import math
import statistics
import time
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn

from unstride.formats.images import find_images, load_image
from unstride.training.run_outputs import git_commit
from unstride.upsamplers.by_name import create_pair

CHANNELS, CROP_SIZE, BATCH_SIZE, STEPS, LEARNING_RATE = 32, 32, 8, 500, 3e-3
PAIRS = [
    ("blur", "nearest"), ("blur", "bilinear"), ("max_pool", "nearest"), ("max_pool", "bilinear"),
    ("max_pool", "bilinear_conv"), ("max_pool", "deconv"), ("max_pool", "pixel_shuffle"),
    ("max_pool", "carafe"), ("carafe_down", "carafe"), ("max_pool", "spatial_attention"),
    ("max_pool", "dysample"), ("max_pool", "gum"),
    ("max_pool", "joint_bilateral"), ("max_pool", "sapa"), ("max_pool", "fade"),
    ("max_pool", "a2u"), ("a2u_down", "a2u"), ("max_pool", "max_unpool"), ("max_pool", "index"),
    ("index_down", "index"),
]  # fmt: skip
OPTIONS = {"fade": {"gated": False}}  # its gate would pass the fine features through unchanged

PAGE_TEMPLATE = """# Images through one step down and up

Written by `make reconstruct` (commit {commit}, {minutes} minutes on {threads} thread(s), CPU).
{train} photographs to learn from, crops of {side} x {side}; 320 crops of 64 x 64 of others to
measure on. One network, {channels} channels: a convolution before, between and after the two
steps, no skip connection. Adam at {rate}, one cycle, {steps} steps of {batch}, mean squared
error. Mean and standard deviation of PSNR over {seeds} seeds; the gain is against max_pool and
bilinear, seed by seed.

| down | up | parameters of both | PSNR, dB | gain, dB |
|---|---|---|---|---|
{rows}
"""


class ReconstructionNet(nn.Module):
    """Reconstructs an image from half the resolution.

    Args:
        down: name of the downsampler.
        up: name of the upsampler.
    """

    def __init__(self, down: str, up: str):
        super().__init__()
        self.before = conv_block(3)
        self.between = conv_block(CHANNELS)
        self.after = conv_block(CHANNELS)
        self.pair = create_pair(down, up, CHANNELS, **OPTIONS.get(up, {}))
        self.last = nn.Conv2d(CHANNELS, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the reconstruction, in [0, 1] where it succeeds."""
        return self.last(self.after(self.pair(self.before(image), self.between)))


def conv_block(channels: int) -> nn.Module:
    """Create a convolution, a norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS), nn.ReLU()
    )


def random_crops(images: list[Tensor], seed: int, num_crops: int, size: int = CROP_SIZE) -> Tensor:
    """Crop random squares from random images."""
    generator = torch.Generator().manual_seed(seed)

    def random_below(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    crops = []
    for _ in range(num_crops):
        image = images[random_below(len(images))]
        y, x = random_below(image.shape[2] - size + 1), random_below(image.shape[3] - size + 1)
        crops.append(image[:, :, y : y + size, x : x + size])
    return torch.cat(crops)


def train_and_measure_psnr(pair: tuple[str, str], seed: int, train: list, test: Tensor) -> float:
    """Train a pair with a seed; return its mean PSNR over the test crops, in dB."""
    torch.manual_seed(seed)
    model = ReconstructionNet(*pair)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    for step in range(STEPS):
        images = random_crops(train, seed * STEPS + step, BATCH_SIZE)
        loss = (model(images) - images).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        errors = torch.cat(
            [(model(part) - part).square().mean((1, 2, 3)) for part in test.split(64)]
        )
    return (-10 * errors.log10()).mean().item()


def main() -> None:
    """Train every pair with every seed, and write the page."""
    parser = argparse.ArgumentParser(prog="make reconstruct", description=__doc__)
    parser.add_argument(
        "--train", required=True, help="photographs to train on: a folder or a quoted glob"
    )
    parser.add_argument("--test", required=True, help="photographs to test on")
    parser.add_argument("--page", type=Path, default=Path("docs/reconstruction.md"))
    parser.add_argument("--num-seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    start = time.time()
    train = [load_image(path) for path in find_images([options.train])]
    test = random_crops([load_image(path) for path in find_images([options.test])], 10**6, 320, 64)
    psnrs: dict[tuple[str, str], list[float]] = {pair: [] for pair in PAIRS}
    with Progress() as progress:
        for seed in progress.track(range(options.num_seeds), description="seeds"):
            for pair in progress.track(PAIRS, description=f"seed {seed}"):
                psnrs[pair].append(train_and_measure_psnr(pair, seed, train, test))
    base = psnrs["max_pool", "bilinear"]
    rows = []
    for pair, values in sorted(psnrs.items(), key=lambda item: -statistics.mean(item[1])):
        parameters = sum(p.numel() for p in create_pair(*pair, CHANNELS).parameters())
        gains = [value - other for value, other in zip(values, base, strict=True)]
        rows.append(
            f"| {pair[0]} | {pair[1]} | {parameters:,} | {mean_and_std(values)} "
            f"| {mean_and_std(gains)} |"
        )
    options.page.write_text(
        PAGE_TEMPLATE.format(
            train=len(train), steps=STEPS, batch=BATCH_SIZE, side=CROP_SIZE, channels=CHANNELS,
            rate=LEARNING_RATE,
            seeds=options.num_seeds, commit=git_commit(), threads=options.threads,
            minutes=math.ceil((time.time() - start) / 60), rows="\n".join(rows),
        ), encoding="utf-8")  # fmt: skip


def mean_and_std(values: list[float]) -> str:
    """Format the mean and standard deviation over the seeds."""
    return f"{statistics.mean(values):.2f} +- {statistics.stdev(values):.2f}"


if __name__ == "__main__":
    main()
