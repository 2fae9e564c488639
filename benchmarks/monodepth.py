"""`make monodepth`: depth learned from the frames of one room, without a depth label.

Frames numbered up to 800 of the kitchen of 7-Scenes teach, frames from 840 on are scored; both show
the same room, so this says that the loss teaches depth, not how well it carries over. Scored are
the network, its own untrained start, and the two constants: the median depth of the frames that
teach, and for the errors after median alignment any constant. With `--known-motion` the camera's
true poses are used in the place of the pose network's, and depth is in metres.

    python -m benchmarks.monodepth --data shared/data/depth/redkitchen --upsampler bilinear
"""

import argparse
import time
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

import torch
from rich.progress import track
from torch.utils.data import DataLoader

from unstride.data.neighbours import Neighbours, mirrored, resized
from unstride.data.posed_rgbd import PosedRGBD
from unstride.metrics import DepthErrors
from unstride.models.monodepth import Monodepth
from unstride.pyramid import create_pyramid
from unstride.upsamplers import create_upsampler

SIZE, BATCH, RATE, DEPTHS = (96, 128), 6, 3e-4, (0.4, 12.0)
STRIDES = (2, 4, 8, 16)


def main() -> None:
    """Train, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--upsampler", default="bilinear")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--spacing", type=int, default=6, help="to the neighbours, in frames")
    parser.add_argument("--known-motion", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    frames = Neighbours(PosedRGBD(options.data, "train"), options.spacing, SIZE)
    scored = PosedRGBD(options.data, "val")
    factory = partial(create_upsampler, options.upsampler)
    model = Monodepth(create_pyramid(strides=STRIDES), factory, depths=DEPTHS)
    depths = torch.cat([frames[i]["depth"].flatten() for i in range(0, len(frames), 10)])
    middle = depths[depths > 0].median().item()
    rows = {f"constant, {middle:.2f} m": score(lambda image: constant(image, middle), scored)}
    rows["untrained"] = score(model, scored)
    start = time.perf_counter()
    train(model, frames, options.steps, options.known_motion)
    seconds = time.perf_counter() - start
    rows[f"trained, {seconds:.0f} s"] = score(model, scored)
    for name, errors in rows.items():
        print(f"{name:24}", *(f"{key} {value:.3f}" for key, value in errors.items()))


def train(model: Monodepth, frames: Neighbours, steps: int, known_motion: bool) -> None:
    """Adam at a rate that falls to a tenth for the last quarter; half of the batches mirrored."""
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps * 3 // 4])
    loader = DataLoader(frames, BATCH, shuffle=True, drop_last=True)
    batches = chain.from_iterable(repeat(loader))
    model.train()
    for sample in track(islice(batches, steps), "steps", total=steps):
        if torch.rand(()) < 0.5:
            sample = mirrored(sample)
        optimizer.zero_grad()
        model.loss(sample, known_motion=known_motion)["loss"].backward()
        optimizer.step()
        schedule.step()


def constant(image: torch.Tensor, metres: float) -> torch.Tensor:
    """The same depth everywhere."""
    return torch.full((len(image), *image.shape[2:]), metres)


@torch.no_grad()
def score(model, scored: PosedRGBD) -> dict[str, float]:
    """Errors in the depth's own unit, and after median alignment."""
    metrics = {"": DepthErrors(), " aligned": DepthErrors(alignment="median")}
    if isinstance(model, Monodepth):
        model.eval()
    for image, depth in scored:
        sample = resized({"image": image, "sources": image[None], "depth": depth,
                          "intrinsics": torch.eye(3)}, SIZE)  # fmt: skip
        found = model(sample["image"][None])
        for metric in metrics.values():
            metric.update(found, sample["depth"][None])
    errors = {kind: metric.compute() for kind, metric in metrics.items()}
    return {
        f"{name}{kind}": errors[kind][name].item()
        for kind in metrics
        for name in ("abs_rel", "delta1")
    }


if __name__ == "__main__":
    main()
