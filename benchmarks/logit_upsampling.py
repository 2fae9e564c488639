"""Compares upsamplers on logits: `python -m benchmarks.logit_upsampling --data DATA`.

The logits are as good as a stride allows: the share of each class in each cell of the true
labels. They are upsampled with the image as the guide, and scored by mIoU against the labels; with
the guide in [0, 1], and normalised as ImageNet models expect it. DATA has
camvid/val/{images,labels}; every fifth image is used.
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
from unstride.transforms.imagenet import IMAGENET_MEAN, IMAGENET_STD
from unstride.upsamplers.image_check import accept_any_range

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
    upsamplers = {
        stride: {name: create_upsampler(name, NUM_CLASSES, stride).eval() for name in UPSAMPLERS}
        for stride in STRIDES
    }
    for by_name in upsamplers.values():
        accept_any_range(by_name["featup_jbu"])  # one of the guides is normalised
    confusion: dict = {}
    for path in track(images, "images", console=console):
        labels = torch.from_numpy(np.array(Image.open(root / "labels" / f"{path.stem}.png"))).long()
        for stride, by_name in upsamplers.items():
            add_confusion(labels, load_image(path), stride, by_name, confusion)
    for name in UPSAMPLERS:
        for guide in ("[0, 1]", "normalised"):
            scores = [
                f"{mean_iou_percent(confusion[name, guide, stride]):.1f}" for stride in STRIDES
            ]
            table.add_row(name, guide, *scores)
    console.print(table)


@torch.inference_mode()
def add_confusion(labels, image, stride, upsamplers, confusion) -> None:
    """Add the confusion matrices of one image, cropped to whole cells."""
    h, w = (n // stride * stride for n in labels.shape)
    labels, image = labels[:h, :w], image[..., :h, :w]
    labelled = labels < NUM_CLASSES
    shares = one_hot(labels.clamp(max=NUM_CLASSES), NUM_CLASSES + 1)[..., :NUM_CLASSES]
    coarse = avg_pool2d(shares.permute(2, 0, 1)[None].float(), stride)
    guides = {"[0, 1]": image, "normalised": normalize(image, IMAGENET_MEAN, IMAGENET_STD)}
    for name, upsampler in upsamplers.items():
        for guide, pixels in guides.items():
            predicted = upsampler(coarse, pixels, (h, w)).argmax(1)[0]
            pairs = labels[labelled] * NUM_CLASSES + predicted[labelled]
            matrix = torch.bincount(pairs, minlength=NUM_CLASSES**2).view(NUM_CLASSES, NUM_CLASSES)
            key = name, guide, stride
            confusion[key] = confusion.get(key, 0) + matrix


def mean_iou_percent(confusion) -> float:
    """Mean intersection over union of the classes that occur, in percent."""
    intersection = confusion.diag()
    union = confusion.sum(0) + confusion.sum(1) - intersection
    return 100 * (intersection / union)[confusion.sum(1) > 0].mean().item()


if __name__ == "__main__":
    main()
