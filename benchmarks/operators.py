"""`make bench-operators`: every upsampler in one run, what it costs and what it does at borders.

    python -m benchmarks.operators --write docs/operators.md

Times are medians of rounds in which all operators take turns in one process. Memory is the
growth of the resident peak during one call, in a process of its own; the result
and, with the backward pass, all gradients are part of it. Operators published for a scale of 2
reach 16 in four stages. Operators that take features of an encoder get as many as channels at
x2, and an image at x16, where an encoder has none so fine.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor

from unstride.analysis import cost
from unstride.evaluation.process_memory import measure_peak
from unstride.upsamplers import Upsampler
from unstride.upsamplers.by_name import (
    create_upsampler,
    list_upsamplers,
)

SCALE_FREE = {
    "nearest", "bilinear", "bicubic", "nearest_conv", "bilinear_conv", "guided_filter",
    "joint_bilateral", "featup_jbu", "naf", "anyup",
}  # fmt: skip


CONVOLUTIONS = {"nearest_conv", "bilinear_conv", "deconv", "pixel_shuffle"}


@dataclass(frozen=True)
class Workload:
    """Features of which shape, to which scale; and how often each operator takes its turn."""

    channels: int
    grid: tuple[int, int]
    scale: int
    rounds: int

    def __str__(self):
        (h, w), s = self.grid, self.scale
        return f"{self.channels} channels, {h} x {w} to {h * s} x {w * s}"


WORKLOADS = {
    "x2": Workload(256, (64, 64), 2, 9),
    "x16": Workload(384, (28, 28), 16, 3),
}


def create_operator(name: str, setting: Workload) -> tuple[Upsampler, Tensor, Tensor | None]:
    """An operator of some name, and what it is called with."""
    torch.manual_seed(0)
    stages = 1 if setting.scale == 2 or name in SCALE_FREE else 4
    guide_channels = None if setting.scale == 2 else 3
    up = create_upsampler(
        name, setting.channels, setting.scale, guide_channels=guide_channels, stages=stages
    )
    features = torch.randn(1, setting.channels, *setting.grid)
    features = features.contiguous(memory_format=torch.channels_last)
    guide = None
    if up.guide_channels is not None:
        size = [n * setting.scale for n in setting.grid]
        guide = torch.rand(1, up.guide_channels, *size)
    return up.eval(), features, guide


def forward_call(name: str, setting: Workload) -> Callable[[], Tensor]:
    """A call of the operator without gradients."""
    up, features, guide = create_operator(name, setting)

    def call():
        with torch.no_grad():
            return up(features, guide)

    return call


def backward_call(name: str, setting: Workload) -> Callable[[], Tensor]:
    """A call and its gradients in features and parameters."""
    up, features, guide = create_operator(name, setting)
    features.requires_grad_()

    def call():
        up.zero_grad()
        features.grad = None
        out = up(features, guide)
        out.backward(torch.ones_like(out))
        return out.detach()

    return call


def is_supported(name: str, setting: Workload) -> bool:
    """Whether the operator can be had in this setting."""
    try:
        create_operator(name, setting)
    except ValueError:
        return False
    return True


def median_times(
    setting: Workload, names: list[str], make: Callable, rounds: int
) -> dict[str, float]:
    """Median milliseconds of each operator, all taking turns."""
    calls = {name: make(name, setting) for name in names}
    spent: dict[str, list[float]] = {name: [] for name in names}
    with Progress() as progress:
        for i in progress.track(range(rounds + 1), description=f"{setting}, {make.__name__}"):
            for name, call in calls.items():
                start = time.perf_counter()
                assert call().isfinite().all() or i, name
                if i:  # the first round compiles and loads what is needed
                    spent[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(ms) for name, ms in spent.items()}


def peak_mib(name: str, key: str, kind: str) -> float:
    """MiB by which the resident peak grows during one call, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.operators", "--peak", name, key, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout) / 2**20


def print_peak_bytes(name: str, key: str, kind: str) -> None:
    """What `peak` reads."""
    torch.set_num_threads(2)
    call = {"forward": forward_call, "backward": backward_call}[kind](name, WORKLOADS[key])
    print(measure_peak(call)[0], end="")


def border_cells(name: str) -> str:
    """What a constant map of one becomes in its corner, and whether any size can be had."""
    torch.manual_seed(0)
    up = create_upsampler(name, 16, 2).eval()
    guide = torch.full((1, up.guide_channels or 3, 24, 24), 0.5)
    ones = torch.ones(1, 16, 12, 12)
    with torch.no_grad():
        for p in up.parameters():
            if p.ndim > 1:
                p.zero_()  # no bias of chance: what the border does is seen alone
        corner = up(ones, guide)[0, 0, 0, 0].item()
        middle = up(ones, guide)[0, 0, 12, 12].item()
        any_size = up(ones, guide, (17, 23)).shape[2:] == (17, 23)
    kept = "kept" if abs(corner - middle) < 1e-4 else f"{corner / middle:.2f}"
    if name in CONVOLUTIONS:
        kept = "as trained: zeros lie beyond it"
    return f"{kept} | {'yes' if any_size else 'no'}"


def markdown_table(key: str, names: list[str]) -> tuple[str, dict[str, float]]:
    """A setting's table in Markdown, and the times in it."""
    setting = WORKLOADS[key]
    there = [name for name in names if is_supported(name, setting)]
    ms = median_times(setting, there, forward_call, setting.rounds)
    both = median_times(setting, there, backward_call, max(setting.rounds // 3, 1))
    lines = [
        "| operator | guide | convex | parameters | MFLOPs | ms | / bilinear | with backward, ms "
        "| / bilinear | peak forward, MiB | peak with backward, MiB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    with Progress() as progress:
        for name in progress.track(there, description=f"{setting}, memory"):
            up = create_operator(name, setting)[0]
            law = (type(up).__doc__ or "").splitlines()[0]
            if hasattr(up, "upsamplers"):
                law = (type(up.upsamplers[0]).__doc__ or "").splitlines()[0]
            convex = "no" if "not convex" in law else "yes"
            parameters, flops = cost(up, setting.grid)
            guide = {None: "", 3: "image"}.get(up.guide_channels, "encoder")
            lines.append(
                f"| {name} | {guide} | {convex} | {parameters:,} "
                f"| {flops * setting.grid[0] * setting.grid[1] / 1e6:,.0f} "
                f"| {ms[name]:.1f} | {ms[name] / ms['bilinear']:.1f} "
                f"| {both[name]:.0f} | {both[name] / both['bilinear']:.1f} "
                f"| {peak_mib(name, key, 'forward'):.0f} | {peak_mib(name, key, 'backward'):.0f} |"
            )
    return "\n".join(lines), ms


def plot_times(ms: dict[str, dict[str, float]], path: Path) -> None:
    """Bars of the times, as multiples of bilinear's, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for axis, (key, found) in zip(axes, ms.items(), strict=True):
        names = sorted(found, key=found.__getitem__, reverse=True)
        ratios = [found[name] / found["bilinear"] for name in names]
        colours = ["#c44e52" if name == "bilinear" else "#4c72b0" for name in names]
        axis.barh(names, ratios, color=colours)
        for i, name in enumerate(names):
            axis.text(ratios[i] * 1.08, i, f"{found[name]:.0f} ms", va="center", fontsize=8)
        axis.set(xscale="log", xlabel="time / bilinear's", title=str(WORKLOADS[key]))
        axis.set_xlim(right=max(ratios) * 4)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench-operators", description=__doc__)
    parser.add_argument("--write", type=Path, default=Path("docs/operators.md"))
    parser.add_argument("--only", nargs="*", help="names of operators")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return print_peak_bytes(*options.peak)
    torch.set_num_threads(2)
    names = list(dict.fromkeys(["bilinear", *(options.only or list_upsamplers())]))
    tables, ms = {}, {}
    for key in WORKLOADS:
        tables[key], ms[key] = markdown_table(key, names)
    plot_times(ms, options.write.with_suffix(".png"))
    borders = [f"| {name} | {border_cells(name)} |" for name in names]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    commit = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True).stdout
    page = PAGE_TEMPLATE.format(
        machine=machine, commit=commit.strip(), x2=WORKLOADS["x2"], x16=WORKLOADS["x16"],
        table2=tables["x2"], table16=tables["x16"], borders="\n".join(borders),
        picture=options.write.with_suffix(".png").name,
    )  # fmt: skip
    options.write.write_text(page)
    return None


PAGE_TEMPLATE = """# Every operator in one table

Written by `make bench-operators` ({machine}, two threads, float32, features channels_last,
commit {commit}). No GPU was there. Times are medians of rounds in which all take turns in one
process; the ratio to bilinear is what travels to another machine. MFLOPs count a multiply-add
as two, and no pointwise functions. Peaks are beyond the inputs and hold the result; with the
backward pass, also the gradients. Operators that are not trained start almost uniform; time and
memory do not depend on that.

![Times]({picture})

## {x2}

Operators that take features of an encoder get as many channels as the features.

{table2}

## {x16}

Operators published for a scale of 2 go in four stages. The guide is an image; `max_unpool`
needs the features that were pooled, so it is not here.

{table16}

## Borders and sizes

What a constant map of one becomes in its corner, as a share of what it becomes in the middle,
before any training; and whether any output size can be had. Half of FADE's is its guide, here
0.5 everywhere, let in by the gate.

| operator | corner | any size |
|---|---|---|
{borders}
"""

if __name__ == "__main__":
    main()
