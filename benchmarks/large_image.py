"""`make large`: a photograph of 2048 x 1536 pixels at full size, in bounded memory.

    python -m benchmarks.large_image --backbone vit_small_patch14_dinov2 [--backbone_weights FILE]

Runs `unstride upsample` on it for each operator, within each memory that is asked for, and once
within so much that nothing need be cut. Prints wall time, the peak of the process's memory, and
how far the tiled features are from the whole ones, as a share of the largest.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import safe_open

UPSAMPLERS = ["bilinear", "joint_bilateral", "featup_jbu:variant=paper", "featup_jbu"]
IMAGE_SIZE = 1536, 2048


def main() -> None:
    """Print a line for each operator and memory."""
    parser = argparse.ArgumentParser(
        prog="make large",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backbone", default="vit_small_patch14_dinov2")
    parser.add_argument("--backbone_weights", type=Path)
    parser.add_argument("--upsamplers", nargs="+", default=UPSAMPLERS)
    parser.add_argument("--memory", nargs="+", default=["8GB", "default"])
    parser.add_argument("--whole", help="memory in which nothing need be cut, such as 22GB")
    parser.add_argument("--out", type=Path, default=Path("runs/large"))
    options = parser.parse_args()
    photo = create_photo(options.out)
    given = ["--backbone", options.backbone]
    if options.backbone_weights:
        given += ["--backbone_weights", str(options.backbone_weights.resolve())]
    console = Console(highlight=False, soft_wrap=True)
    console.print("| operator | memory | wall, s | peak, GB | tiled and whole differ by |")
    console.print("|---|---|---|---|---|")
    for upsampler in options.upsamplers:
        whole = None
        for memory in ([options.whole] if options.whole else []) + options.memory:
            out = options.out / f"{memory}"
            seconds, peak = run_upsample(photo, out, [*given, "--upsampler", upsampler], memory)
            file = out / f"{photo.stem}.safetensors"
            apart = (
                f"{run_in_subprocess(max_relative_difference, whole, file):.1e}" if whole else ""
            )
            whole = whole or (file if options.whole else None)
            cells = f"{upsampler} | {memory} | {seconds:.0f} | {peak / 1e9:.2f} | {apart}"
            console.print(f"| {cells} |")


def create_photo(out: Path) -> Path:
    """A photograph that scikit-image ships, resized to the size of a camera's."""
    import skimage.data
    from PIL import Image

    out.mkdir(parents=True, exist_ok=True)
    path = out / "rocket.png"
    if not path.exists():
        photo = Image.fromarray(skimage.data.rocket())
        photo.resize(IMAGE_SIZE[::-1], Image.Resampling.BICUBIC).save(path)
    return path


def run_upsample(photo: Path, out: Path, given: list[str], memory: str) -> tuple[float, int]:
    """Wall time in seconds and peak in bytes of a command of its own."""
    (out / f"{photo.stem}.safetensors").unlink(missing_ok=True)
    command = [sys.executable, "-m", "unstride.cli.main", "upsample", str(photo), "--out", str(out)]
    command += ["--dtype", "float32", "--picture", "false", *given]
    command += [] if memory == "default" else ["--memory", memory]
    start = time.perf_counter()
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}\n{said}")
    return time.perf_counter() - start, used.ru_maxrss * 1024


def run_in_subprocess(function: Callable, *arguments: Any) -> Any:
    """What a function returns, called in a process of its own.

    The peak of a process counts what its parent held when it was started.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def max_relative_difference(one: Path, other: Path) -> float:
    """The largest difference of two files' features, as a share of the largest feature."""
    apart, largest = 0.0, 0.0
    with safe_open(one, "pt") as a, safe_open(other, "pt") as b:
        first, second = a.get_slice("features"), b.get_slice("features")
        for channel in range(first.get_shape()[0]):
            whole, tiled = first[channel], second[channel]
            apart = max(apart, (whole - tiled).abs().max().item())
            largest = max(largest, whole.abs().max().item())
    return apart / largest


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
