"""`make dejavu-costs`: what each part of DejaVu adds to a training step: docs/dejavu.md.

Parameters and FLOPs (of multiplications and additions, as torch counts them) are beside those of
Semantic FPN on the default backbone, at 128 x 192 pixels. Times are medians of steps of a batch of
8 in turns, memory is the peak of all tensors of a step beyond parameters and inputs. LPIPS and CLIP
have random weights here: their cost is the same.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from unstride import Regeneration, RegenerationOptions, create_pyramid
from unstride.evaluation.timing import median_times
from unstride.metrics.lpips import LPIPS
from unstride.models.segmentation.by_name import create_segmenter
from unstride.models.segmentation.corrected import CorrectedSegmenter
from unstride.tiling.peak_memory import PeakMemoryMode

CLASSES, SIZE, BATCH, ROUNDS = 11, (128, 192), 8, 5
WIDTHS = {"width": 64, "branch_width": 64}
SMALL = {"width": 16, "blocks": 2, "resolution": 0.5}


class Part(NamedTuple):
    """Options of regeneration, or None; and whether the network has shared attention."""

    options: dict | None
    shared_attention: bool = False


PARTS = {
    "the network alone": Part(None),
    "CRM-F": Part({}),
    "CRM-F, 2 layers of 16 channels at half resolution": Part(SMALL),
    "CRM-R, 4 steps": Part({"module": "recursive"}),
    "CRM-F, band_stop": Part({"redaction": "band_stop"}),
    "CRM-F and LPIPS (alex)": Part({"lpips": 0.1}),
    "CRM-F and CLIP's features (a ViT-B/32)": Part({"clip": 0.1}),
    "CRM-F and the cycle loss": Part({"cycle": 0.1}),
    "shared attention, which stays": Part(None, shared_attention=True),
}


class Step(NamedTuple):
    """A training step, and what it trains."""

    run: Callable[[], None]
    network: nn.Module
    added: int


def main() -> None:
    """Measure all parts and print the table."""
    argparse.ArgumentParser(
        prog="make dejavu-costs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    torch.manual_seed(0)
    steps = {name: training_step(part) for name, part in PARTS.items()}
    flops = {name: counted_flops(step.run) for name, step in steps.items()}
    peaks = {name: peak_bytes(step) for name, step in steps.items()}
    seconds = median_times({name: step.run for name, step in steps.items()}, ROUNDS)
    base = "the network alone"
    network = sum(p.numel() for p in steps[base].network.parameters())
    headings = "part", "parameters, training", "inference", "FLOPs of a step", "time", "peak memory"
    print(f"| {' | '.join(headings)} |")
    print("|---|---|---|---|---|---|")
    for name, step in steps.items():
        stays = sum(p.numel() for p in step.network.parameters())
        cells = [
            name,
            f"{network:,}" if name == base else f"+{stays + step.added - network:,}",
            f"{network:,}" if name == base else f"+{stays - network:,}",
            *(
                f"{values[name] / unit:.3g} {word}"
                if name == base
                else f"{100 * (values[name] / values[base] - 1):+.0f} %"
                for values, unit, word in (
                    (flops, 1e9, "GFLOPs"), (seconds, 1, "s"), (peaks, 1e6, "MB"),
                )
            ),
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")


def training_step(part: Part) -> Step:
    """A step of a new network with a part of DejaVu, always on the same batch."""
    pyramid = create_pyramid(strides=[4, 8, 16, 32])
    attention = {"shared_attention": True} if part.shared_attention else {}
    network = create_segmenter("semantic_fpn", pyramid, CLASSES, **WIDTHS, **attention)
    regeneration = None if part.options is None else create_regeneration(part.options)
    images, labels = torch.rand(BATCH, 3, *SIZE), torch.randint(0, CLASSES, (BATCH, *SIZE))

    def predict(others: Tensor) -> dict[str, Tensor]:
        return {"classes": network(others)}

    def run() -> None:
        if isinstance(network, CorrectedSegmenter):
            output, loss = network.training_pass(images)
            loss = cross_entropy(output.logits, labels) + 0.1 * loss
        else:
            logits = network(images)
            loss = cross_entropy(logits, labels)
            if regeneration is not None:
                loss = loss + regeneration(images, {"classes": logits}, predict)
        loss.backward()
        network.zero_grad()

    added = 0 if regeneration is None else sum(p.numel() for p in regeneration.parameters())
    return Step(run, network, added)


def create_regeneration(options: dict) -> Regeneration:
    """The module, with random weights of LPIPS and CLIP where it needs them."""
    given = RegenerationOptions(**options)
    perceptual = embed = None
    if given.lpips:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "alexnet.pth"
            torch.save(torchvision.models.alexnet(weights=None).state_dict(), path)
            perceptual = LPIPS("alex", path)
    if given.clip:
        embed = random_clip()
    return Regeneration({"classes": CLASSES}, given, perceptual=perceptual, embed=embed)


def random_clip() -> nn.Module:
    """A CLIP model of the size of ViT-B/32 with random weights."""
    from transformers import CLIPConfig, CLIPModel

    from unstride.backbones.clip import CLIPImages

    with TemporaryDirectory() as folder:
        CLIPModel(CLIPConfig()).save_pretrained(folder)
        return CLIPImages(folder)


def counted_flops(run: Callable[[], None]) -> int:
    """FLOPs of a call, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def peak_bytes(step: Step) -> int:
    """Peak of the memory of all tensors that a step makes, beside the network's."""
    existing = [*step.network.parameters(), *step.network.buffers()]
    with PeakMemoryMode(existing) as mode:
        step.run()
    return mode.peak_bytes


if __name__ == "__main__":
    main()
