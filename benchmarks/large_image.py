"""`make large`: upsamples a photograph of 2048 x 1536 pixels at full size in bounded memory.

    python -m benchmarks.large_image --backbone vit_small_patch14_dinov2 [--backbone-weights FILE]

Runs `unstride upsample` on it for each operator and each memory limit, and once with so much memory
that no tiles are needed. Prints the wall time, the peak memory of the process, and the largest
difference between tiled and untiled features, relative to the largest feature.
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
    """Print a line for each operator and memory limit."""
    parser = argparse.ArgumentParser(
        prog="make large",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backbone", default="vit_small_patch14_dinov2")
    parser.add_argument("--backbone-weights", type=Path)
    parser.add_argument("--upsamplers", nargs="+", default=UPSAMPLERS)
    parser.add_argument("--memory", nargs="+", default=["8GB", "default"])
    parser.add_argument("--untiled-memory", help="memory limit that needs no tiles, such as 22GB")
    parser.add_argument("--out", type=Path, default=Path("runs/large"))
    options = parser.parse_args()
    photo = create_photo(options.out)
    backbone = ["--backbone", options.backbone]
    if options.backbone_weights:
        backbone += ["--backbone-weights", str(options.backbone_weights.resolve())]
    console = Console(highlight=False, soft_wrap=True)
    console.print("| operator | memory | wall, s | peak, GB | tiled and whole differ by |")
    console.print("|---|---|---|---|---|")
    for upsampler in options.upsamplers:
        untiled = None
        limits = [options.untiled_memory] if options.untiled_memory else []
        for memory in limits + options.memory:
            out = options.out / f"{memory}"
            arguments = [*backbone, "--upsampler", upsampler]
            seconds, peak = run_upsample(photo, out, arguments, memory)
            file = out / f"{photo.stem}.safetensors"
            difference = ""
            if untiled is not None:
                difference = f"{run_in_subprocess(max_relative_difference, untiled, file):.1e}"
            elif options.untiled_memory:
                untiled = file
            cells = f"{upsampler} | {memory} | {seconds:.0f} | {peak / 1e9:.2f} | {difference}"
            console.print(f"| {cells} |")


def create_photo(out: Path) -> Path:
    """Write a photograph from scikit-image, resized to the size of a camera's photographs."""
    import skimage.data
    from PIL import Image

    out.mkdir(parents=True, exist_ok=True)
    path = out / "rocket.png"
    if not path.exists():
        photo = Image.fromarray(skimage.data.rocket())
        photo.resize(IMAGE_SIZE[::-1], Image.Resampling.BICUBIC).save(path)
    return path


def run_upsample(photo: Path, out: Path, arguments: list[str], memory: str) -> tuple[float, int]:
    """Run `unstride upsample`; return its wall time in seconds and its peak memory in bytes."""
    (out / f"{photo.stem}.safetensors").unlink(missing_ok=True)
    command = [sys.executable, "-m", "unstride.cli.main", "upsample", str(photo), "--out", str(out)]
    command += ["--dtype", "float32", "--picture", "false", *arguments]
    command += [] if memory == "default" else ["--memory", memory]
    start = time.perf_counter()
    child = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
    assert child.stderr is not None
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}\n{errors}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def run_in_subprocess(function: Callable, *arguments: Any) -> Any:
    """Call a function in a process of its own, and return its result.

    It keeps this process small: the peak of a child counts what its parent held at the start.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def max_relative_difference(untiled_file: Path, tiled_file: Path) -> float:
    """The largest difference of two files' features, relative to the largest feature."""
    difference, largest = 0.0, 0.0
    with safe_open(untiled_file, "pt") as a, safe_open(tiled_file, "pt") as b:
        all_untiled, all_tiled = a.get_slice("features"), b.get_slice("features")
        for channel in range(all_untiled.get_shape()[0]):
            untiled, tiled = all_untiled[channel], all_tiled[channel]
            difference = max(difference, (untiled - tiled).abs().max().item())
            largest = max(largest, untiled.abs().max().item())
    return difference / largest


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
