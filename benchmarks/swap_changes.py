"""`make swap-changes MODEL=... DATA=...`: what a fresh operator changes in a trained network.

    python -m benchmarks.swap_changes --model RUN/model --data DATA/camvid

Puts each learned operator at every place of a segmentation network from `unstride fit`, and with
--places at each place alone, before any training. Prints by how many per cent of their norm the
logits of test photographs change, and the mean IoU on them. Every operator begins as the
interpolation of its place, and as its paper has it ("published"); where the two are one, those
columns are empty.
"""

import argparse
import copy
from collections.abc import Sequence
from inspect import signature
from pathlib import Path

import torch
from torch import Tensor, nn

from unstride import find_places, swap
from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.by_name import SEGMENTATION_DATASETS
from unstride.metrics import mean_iou
from unstride.models.task_network import read_task
from unstride.training.dataset_splits import load_dataset
from unstride.upsamplers.by_name import UPSAMPLERS

OPERATORS = [
    "bilinear", "nearest_conv", "bilinear_conv", "deconv", "pixel_shuffle", "carafe",
    "spatial_attention", "a2u", "dysample", "gum", "index", "sapa", "fade",
]  # fmt: skip


def main() -> None:
    """Swap every operator into a copy of the network, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="make swap-changes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained segmenter")
    parser.add_argument("--data", type=Path, required=True, help="folder of CamVid")
    parser.add_argument("--places", action="store_true", help="every place alone, too")
    parser.add_argument("--images", type=int, default=12, help="test photographs (default: 12)")
    options = parser.parse_args()
    torch.manual_seed(0)
    network = read_task(options.model)[0].eval()
    test = load_dataset(SEGMENTATION_DATASETS, "camvid", options.data, "test")
    subset = evenly_spaced_subset(test, options.images)
    photographs, labels = zip(*(subset[i] for i in range(len(subset))), strict=True)
    base = logits_of(network, photographs)
    found = find_places(swapped(network, "bilinear", photographs))
    names = [place.name for place in found if place.upsampler_name]
    places = names if options.places else []
    print(f"Places: {', '.join(names)}. Before: {iou(base, labels):.2f} mIoU.\n")
    headings = ["operator", "change", "mIoU", "change, published", "mIoU, published", *places]
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for operator in OPERATORS:
        cells = [operator]
        has_choice = "start" in signature(UPSAMPLERS[operator]).parameters
        for start in [{}, {"start": "published"}] if has_choice else [{}]:
            logits = logits_of(swapped(network, operator, photographs, **start), photographs)
            cells += [f"{change(logits, base):.1f} %", f"{iou(logits, labels):.2f}"]
        cells += [""] * (5 - len(cells))
        for place in places:
            alone = swapped(network, operator, photographs, only=place)
            cells.append(f"{change(logits_of(alone, photographs), base):.1f} %")
        print(f"| {' | '.join(cells)} |", flush=True)


def swapped(
    network: nn.Module, operator: str, photographs: Sequence[Tensor], **options
) -> nn.Module:
    """A copy of the network with the operator in it."""
    return swap(copy.deepcopy(network), operator, example=photographs[0][None], **options).eval()


@torch.no_grad()
def logits_of(network: nn.Module, photographs: Sequence[Tensor]) -> list[Tensor]:
    """The logits of each photograph."""
    return [network(photograph[None]) for photograph in photographs]


def change(logits: Sequence[Tensor], base: Sequence[Tensor]) -> float:
    """Norm of the change relative to the norm of the logits, in per cent."""
    changed = torch.cat([(a - b).flatten() for a, b in zip(logits, base, strict=True)])
    return 100 * float(changed.norm() / torch.cat([b.flatten() for b in base]).norm())


def iou(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> float:
    """Mean IoU in per cent over all photographs."""
    metric = mean_iou(logits[0].shape[1])
    for predicted, truth in zip(logits, labels, strict=True):
        metric.update(predicted.argmax(1), truth[None])
    return 100 * float(metric.compute())


if __name__ == "__main__":
    main()
