"""`python -m benchmarks.logit_upsampling --data DATA`: who brings logits to full size best?

The logits are as good as a stride allows: the share of each class in each cell of the true
labels. What an upsampler makes of them, guided by the image, is scored by mIoU against the
labels; with the guide in [0, 1], and normalised as ImageNet's models take it. DATA has
camvid/val/{images,labels}; every fifth image is taken.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.nn.functional import avg_pool2d, one_hot
from torchvision.transforms.functional import normalize

from unstride import create_upsampler, load_image
from unstride.transforms.imagenet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
)

NUM_CLASSES, STRIDES, IMAGE_STEP = 11, (8, 16, 32), 5
UPSAMPLERS = "nearest", "bilinear", "joint_bilateral", "guided_filter", "featup_jbu"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.logit_upsampling", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/")
    root = parser.parse_args().data / "camvid" / "val"
    images = sorted((root / "images").iterdir())[::IMAGE_STEP]
    console = Console()
    table = Table("upsampler", "guide", *(f"stride {stride}" for stride in STRIDES))
    ups = {s: {n: create_upsampler(n, NUM_CLASSES, s).eval() for n in UPSAMPLERS} for s in STRIDES}
    counts: dict = {}
    for path in track(images, "images", console=console):
        labels = torch.from_numpy(np.array(Image.open(root / "labels" / f"{path.stem}.png"))).long()
        for stride, by_name in ups.items():
            add_confusion(labels, load_image(path), stride, by_name, counts)
    for name in UPSAMPLERS:
        for guide in ("[0, 1]", "normalised"):
            scores = [f"{mean_iou_percent(counts[name, guide, stride]):.1f}" for stride in STRIDES]
            table.add_row(name, guide, *scores)
    console.print(table)


@torch.inference_mode()
def add_confusion(labels, image, stride, ups, counts) -> None:
    """Add one image's confusion matrices; it is cropped to whole cells."""
    h, w = (n // stride * stride for n in labels.shape)
    labels, image = labels[:h, :w], image[..., :h, :w]
    known = labels < NUM_CLASSES
    shares = one_hot(labels.clamp(max=NUM_CLASSES), NUM_CLASSES + 1)[..., :NUM_CLASSES]
    coarse = avg_pool2d(shares.permute(2, 0, 1)[None].float(), stride)
    guides = {"[0, 1]": image, "normalised": normalize(image, IMAGENET_MEAN, IMAGENET_STD)}
    for name, up in ups.items():
        for guide, pixels in guides.items():
            predicted = up(coarse, pixels, (h, w)).argmax(1)[0]
            pairs = labels[known] * NUM_CLASSES + predicted[known]
            matrix = torch.bincount(pairs, minlength=NUM_CLASSES**2).view(NUM_CLASSES, NUM_CLASSES)
            counts[name, guide, stride] = counts.get((name, guide, stride), 0) + matrix


def mean_iou_percent(matrix) -> float:
    """Mean intersection over union of the classes that occur, in percent."""
    hit, union = matrix.diag(), matrix.sum(0) + matrix.sum(1) - matrix.diag()
    return 100 * (hit / union)[matrix.sum(1) > 0].mean().item()


if __name__ == "__main__":
    main()
