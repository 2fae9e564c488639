"""`make bench`: time and memory against the usual formulations, interleaved in one process.

Times are medians of interleaved runs; what travels to another machine is their ratios. Memory
is the growth of the resident peak during one call, in a process of its own. A result that
differs from the plain torch formulation stops the run: a fast wrong kernel is slower than none.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import numba
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.memory import peak_memory
from benchmarks.torch_baselines import (
    PublishedStack,
    tap_loop,
    unfold_einsum,
    upsample_unfold_einsum,
)
from unstride.ops import reassemble
from unstride.upsamplers import FeatUpStack
from unstride.upsamplers.by_name import create_upsampler

CONSOLE = Console(highlight=False, width=110)
BASELINES = {
    "tap loop (addcmul_)": tap_loop,
    "unfold at low resolution, einsum": unfold_einsum,
    "upsample, dilated unfold, einsum": upsample_unfold_einsum,
}
Call = Callable[[], Tensor]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="interleaved rounds (default 25)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--only", choices=TABLES, help="one of the tables")
    parser.add_argument("--profile", action="store_true", help="where featup_jbu's time goes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    CONSOLE.print(
        f"torch {torch.__version__}, numba {numba.__version__}, {options.threads} threads of "
        f"{os.cpu_count()} cores, {platform.machine()}, float32, medians of interleaved rounds"
    )
    if options.profile:
        return print_stack_profile()
    rounds = {"forward": options.runs, "backward": options.runs // 3, "stack": options.runs // 5}
    for name in TABLES if options.only is None else [options.only]:
        print_table(name, max(rounds[name], 3))
    return None


def forward_calls() -> dict[str, Callable[[], Call]]:
    """CARAFE's shape by each formulation; each makes its inputs and returns the call."""

    def row(function, layout=torch.contiguous_format):
        features = torch.randn(1, 256, 64, 64).contiguous(memory_format=layout)
        weights = torch.rand(1, 1, 5, 5, 128, 128)
        torch.testing.assert_close(
            function(features, weights), tap_loop(features, weights), rtol=1e-4, atol=1e-4
        )
        return lambda: function(features, weights)

    return {
        "unstride, channels_last": lambda: row(reassemble, torch.channels_last),
        "unstride, contiguous": lambda: row(reassemble),
    } | {name: lambda f=f: row(f) for name, f in BASELINES.items()}


def backward_calls() -> dict[str, Callable[[], Call]]:
    """The same with the gradients of features and weights."""

    def row(function, layout=torch.contiguous_format):
        features = torch.randn(1, 256, 64, 64).contiguous(memory_format=layout).requires_grad_()
        weights = torch.rand(1, 1, 5, 5, 128, 128, requires_grad=True)
        cotangent = torch.ones(1, 256, 128, 128).contiguous(memory_format=layout)

        def call():
            features.grad = weights.grad = None
            out = function(features, weights)
            out.backward(cotangent)
            return out

        return call

    return {
        "unstride, channels_last": lambda: row(reassemble, torch.channels_last),
        "unstride, contiguous": lambda: row(reassemble),
    } | {name: lambda f=f: row(f) for name, f in BASELINES.items()}


def stack_calls() -> dict[str, Callable[[], Call]]:
    """FeatUp's stack, ours and the published order of computation, with the same parameters."""
    torch.manual_seed(0)
    stack = FeatUpStack(384, 16).eval()
    default = create_upsampler("featup_jbu", 384, 16, pretrained=False).eval()
    features, guide = torch.randn(1, 384, 28, 28), torch.rand(1, 3, 448, 448)

    def row(function, layout=torch.contiguous_format):
        source = features.contiguous(memory_format=layout)
        return torch.inference_mode()(lambda: function(source, guide))

    def compared():
        call, exact = row(stack), row(PublishedStack(stack))
        torch.testing.assert_close(call(), exact(), rtol=1e-3, atol=1e-3)
        return call

    return {
        "paper's variant, channels_last": lambda: row(stack, torch.channels_last),
        "paper's variant, contiguous": compared,
        "default variant, channels_last": lambda: row(default, torch.channels_last),
        "tap loop (as released, for its CUDA kernel)": lambda: row(PublishedStack(stack)),
    }


TABLES = {"forward": forward_calls, "backward": backward_calls, "stack": stack_calls}
TABLE_TITLES = {
    "forward": "reassemble, forward: 1x256x64x64, window 5, x2",
    "backward": "reassemble, forward and backward",
    "stack": "featup_jbu, forward: 1x384x28x28 -> 448x448",
}
FORWARD_FLOPS = 2 * 256 * 128 * 128 * 25
TABLE_FLOPS = {"forward": FORWARD_FLOPS, "backward": 3 * FORWARD_FLOPS}


def print_stack_profile() -> None:
    """Print the operators of the paper's variant by their own time."""
    call = stack_calls()["paper's variant, channels_last"]()
    call()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        call()
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


def print_table(name: str, rounds: int) -> None:
    """Run the calls in turn, `torch.mm` among them, and print a row for each."""
    left, right = torch.randn(2, 1024, 1024)
    calls = {row: make() for row, make in TABLES[name]().items()}
    calls["torch.mm"] = lambda: left @ right
    times: dict[str, list[float]] = {row: [] for row in calls}
    with Progress(console=CONSOLE, transient=True) as progress:
        for turn in progress.track(range(rounds + 1), description=TABLE_TITLES[name]):
            for row, call in calls.items():
                start = time.perf_counter()
                call()
                if turn:  # the first round warms up
                    times[row].append(time.perf_counter() - start)
    median = {row: statistics.median(seconds) for row, seconds in times.items()}
    fastest = 2 * 1024**3 / median.pop("torch.mm") / 1e9
    yardstick = next(seconds for row, seconds in median.items() if row.startswith("tap loop"))
    result = Table("", "ms", "tap loop / this", "peak / output", "GFLOP/s", "of torch.mm")
    result.title = f"{TABLE_TITLES[name]}, {rounds} rounds"
    for row, seconds in median.items():
        memory, output = peak_memory(name, row)
        rate = TABLE_FLOPS[name] / seconds / 1e9 if name in TABLE_FLOPS else 0
        result.add_row(
            row,
            f"{seconds * 1e3:.1f}",
            f"{yardstick / seconds:.2f}",
            f"{memory / output:.2f}",
            f"{rate:.0f}" if rate else "",
            f"{rate / fastest:.0%}" if rate else "",
        )
    CONSOLE.print(result)
    CONSOLE.print(f"torch.mm, 1024 x 1024, in the same rounds: {fastest:.0f} GFLOP/s\n")


if __name__ == "__main__":
    main()
