"""`make bench-operators`: measures what every upsampler costs and what it does at borders.

    python -m benchmarks.operators --page docs/operators.md

Times are medians of rounds in which all operators take turns in one process. Memory is the
growth of the resident peak during one call, in a process of its own; it includes the result and,
with the backward pass, all gradients.
"""

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor

from benchmarks.operator_calls import (
    WORKLOADS,
    OperatorCall,
    Workload,
    create_operator,
    is_supported,
)
from unstride.analysis.cost import operator_cost
from unstride.evaluation.process_memory import measure_peak_in_subprocess
from unstride.evaluation.timing import median_times
from unstride.training.run_outputs import git_commit
from unstride.upsamplers.by_name import create_upsampler, list_upsamplers

NUM_THREADS = 2
CONVOLUTIONS = {"nearest_conv", "bilinear_conv", "deconv", "pixel_shuffle"}
TABLE_HEADER = [
    "| operator | guide | convex | parameters | MFLOPs | ms | / bilinear | with backward, ms "
    "| / bilinear | peak forward, MiB | peak with backward, MiB |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
]
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


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench-operators", description=__doc__)
    parser.add_argument("--page", type=Path, default=Path("docs/operators.md"))
    parser.add_argument("--operators", nargs="*", help="names of operators (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(NUM_THREADS)
    names = list(dict.fromkeys(["bilinear", *(options.operators or list_upsamplers())]))
    tables, milliseconds = {}, {}
    for key, workload in WORKLOADS.items():
        tables[key], milliseconds[key] = markdown_table(workload, names)
    picture = options.page.with_suffix(".png")
    plot_times(milliseconds, picture)
    borders = [f"| {name} | {border_cells(name)} |" for name in names]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    page = PAGE_TEMPLATE.format(
        machine=machine, commit=git_commit(), x2=WORKLOADS["x2"], x16=WORKLOADS["x16"],
        table2=tables["x2"], table16=tables["x16"], borders="\n".join(borders),
        picture=picture.name,
    )  # fmt: skip
    options.page.write_text(page, encoding="utf-8")


def markdown_table(workload: Workload, names: list[str]) -> tuple[str, dict[str, float]]:
    """A workload's table in Markdown, and the milliseconds in it."""
    supported = [name for name in names if is_supported(name, workload)]
    forward = operator_milliseconds(workload, supported)
    both = operator_milliseconds(workload, supported, with_backward=True)
    lines = list(TABLE_HEADER)
    with Progress() as progress:
        for name in progress.track(supported, description=f"{workload}, memory"):
            upsampler = create_operator(name, workload)[0]
            stage = upsampler.upsamplers[0] if hasattr(upsampler, "upsamplers") else upsampler
            law = (type(stage).__doc__ or "").splitlines()[0]
            convex = "no" if "not convex" in law else "yes"
            parameters, flops = operator_cost(upsampler, workload.grid)
            guide = {None: "", 3: "image"}.get(upsampler.guide_channels, "encoder")
            peaks = [peak_mib(OperatorCall(name, workload, backward)) for backward in (False, True)]
            lines.append(
                f"| {name} | {guide} | {convex} | {parameters:,} "
                f"| {flops * workload.grid[0] * workload.grid[1] / 1e6:,.0f} "
                f"| {forward[name]:.1f} | {forward[name] / forward['bilinear']:.1f} "
                f"| {both[name]:.0f} | {both[name] / both['bilinear']:.1f} "
                f"| {peaks[0]:.0f} | {peaks[1]:.0f} |"
            )
    return "\n".join(lines), forward


def operator_milliseconds(
    workload: Workload, names: list[str], *, with_backward: bool = False
) -> dict[str, float]:
    """The median time of each operator in milliseconds; all take turns."""

    def checked_call(name: str) -> Callable[[], Tensor]:
        call = OperatorCall(name, workload, with_backward)

        def call_and_check() -> Tensor:
            out = call()
            assert out.isfinite().all(), name
            return out

        return call_and_check

    direction = "backward" if with_backward else "forward"
    num_rounds = max(workload.rounds // 3, 1) if with_backward else workload.rounds
    with Progress() as progress:
        seconds = median_times(
            {name: checked_call(name) for name in names},
            num_rounds,
            track=lambda rounds: progress.track(rounds, description=f"{workload}, {direction}"),
        )
    return {name: 1000 * value for name, value in seconds.items()}


def peak_mib(call: OperatorCall) -> float:
    """By how many MiB the resident peak grows during one call, in a process of its own."""
    peak = measure_peak_in_subprocess(call, num_threads=NUM_THREADS)
    return float("nan") if peak is None else peak / 2**20


def border_cells(name: str) -> str:
    """What a constant map of ones becomes in its corner, and whether any size is supported."""
    torch.manual_seed(0)
    upsampler = create_upsampler(name, 16, 2).eval()
    guide = torch.full((1, upsampler.guide_channels or 3, 24, 24), 0.5)
    ones = torch.ones(1, 16, 12, 12)
    with torch.no_grad():
        for parameter in upsampler.parameters():
            if parameter.ndim > 1:
                parameter.zero_()  # without random weights only the border has an effect
        corner = upsampler(ones, guide)[0, 0, 0, 0].item()
        middle = upsampler(ones, guide)[0, 0, 12, 12].item()
        any_size = upsampler(ones, guide, (17, 23)).shape[2:] == (17, 23)
    kept = "kept" if abs(corner - middle) < 1e-4 else f"{corner / middle:.2f}"
    if name in CONVOLUTIONS:
        kept = "as trained: zeros lie beyond it"
    return f"{kept} | {'yes' if any_size else 'no'}"


def plot_times(milliseconds: dict[str, dict[str, float]], path: Path) -> None:
    """Plot the times as multiples of bilinear's, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for axis, (key, times) in zip(axes, milliseconds.items(), strict=True):
        names = sorted(times, key=times.__getitem__, reverse=True)
        ratios = [times[name] / times["bilinear"] for name in names]
        colours = ["#c44e52" if name == "bilinear" else "#4c72b0" for name in names]
        axis.barh(names, ratios, color=colours)
        for i, name in enumerate(names):
            axis.text(ratios[i] * 1.08, i, f"{times[name]:.0f} ms", va="center", fontsize=8)
        axis.set(xscale="log", xlabel="time / bilinear's", title=str(WORKLOADS[key]))
        axis.set_xlim(right=max(ratios) * 4)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
