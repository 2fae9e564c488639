"""`make bench`: time and memory against the usual formulations, interleaved in one process.

Medians of interleaved runs; the ratios are what travels to another machine. Memory is the
peak of live tensors beyond the inputs, from torch's own allocator events, and for the
Numba kernels their scratch too, as the growth of the process's peak. A result that differs
from the reference stops the run: a fast wrong kernel is slower than none.
"""

import argparse
import platform
import statistics
import time

import numba
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from benchmarks.formulations import (
    PublishedStack,
    tap_loop,
    unfold_low_einsum,
    upsample_unfold_einsum,
)
from unstride.ops import reassemble
from unstride.upsamplers import FeatUpStack, create_upsampler

CONSOLE = Console(highlight=False, width=110)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="interleaved rounds (default 15)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--only", choices=["reassemble", "stack"], help="one of the tables")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    CONSOLE.print(
        f"torch {torch.__version__}, numba {numba.__version__}, {options.threads} threads, "
        f"{platform.machine()}, float32, medians of {options.runs} interleaved runs"
    )
    if options.only != "stack":
        bench_reassemble(options.runs)
    if options.only != "reassemble":
        bench_stack(options.runs)


def bench_reassemble(runs: int) -> None:
    """CARAFE's shape: 1 x 256 x 64 x 64, window 5, twice the size."""
    features, weights = torch.randn(1, 256, 64, 64), torch.rand(1, 1, 5, 5, 128, 128)
    last = features.contiguous(memory_format=torch.channels_last)
    work = 2 * 256 * 128 * 128 * 25
    forward = {
        "unstride, channels_last": lambda: reassemble(last, weights),
        "unstride, contiguous": lambda: reassemble(features, weights),
        "tap loop (addcmul_)": lambda: tap_loop(features, weights),
        "unfold low + einsum": lambda: unfold_low_einsum(features, weights),
        "upsample, unfold, einsum": lambda: upsample_unfold_einsum(features, weights),
    }
    expected = tap_loop(features, weights)
    for name, function in forward.items():
        torch.testing.assert_close(function(), expected, rtol=1e-4, atol=1e-4, msg=name)
    table("reassemble, forward: 1x256x64x64, k 5, x2", forward, runs, work, "tap loop (addcmul_)")

    def both(function, source):
        source, w = source.detach().requires_grad_(), weights.detach().requires_grad_()
        cotangent = torch.ones(1, 256, 128, 128).contiguous(
            memory_format=torch.channels_last if source is last else torch.contiguous_format
        )

        def run():
            source.grad = w.grad = None
            function(source, w).backward(cotangent)
            return source.grad

        return run

    backward = {
        "unstride, channels_last": both(reassemble, last),
        "unstride, contiguous": both(reassemble, features),
        "tap loop (addcmul_)": both(tap_loop, features),
        "unfold low + einsum": both(unfold_low_einsum, features),
        "upsample, unfold, einsum": both(upsample_unfold_einsum, features),
    }
    table("reassemble, forward and backward", backward, max(runs // 3, 3), 3 * work, "tap loop (addcmul_)")


def bench_stack(runs: int) -> None:
    """FeatUp's stack: 28 x 28 to 448 x 448, 384 channels."""
    stack = FeatUpStack(384, 16).eval()
    default = create_upsampler("featup_jbu", 384, 16, pretrained=False).eval()
    published = PublishedStack(stack)
    features, guide = torch.randn(1, 384, 28, 28), torch.rand(1, 3, 448, 448)
    last = features.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(stack(features, guide), published(features, guide), rtol=1e-3, atol=1e-3)
        runs = max(runs // 5, 3)
        table(
            "featup_jbu, forward: 1x384x28x28 -> 448x448",
            {
                "unstride, variant paper, channels_last": lambda: stack(last, guide),
                "unstride, variant paper, contiguous": lambda: stack(features, guide),
                "unstride, default variant, channels_last": lambda: default(last, guide),
                "published, tap loop for its CUDA kernel": lambda: published(features, guide),
            },
            runs, None, "published, tap loop for its CUDA kernel",
        )  # fmt: skip


def table(title: str, functions: dict, runs: int, work: int | None, yardstick: str) -> None:
    """Run the functions in turn, `torch.mm` among them, and print a row for each."""
    left = torch.randn(1024, 1024)
    right = torch.randn(1024, 1024)
    functions = functions | {"torch.mm": lambda: left @ right}
    times: dict[str, list[float]] = {name: [] for name in functions}
    with Progress(console=CONSOLE, transient=True) as progress:
        for turn in progress.track(range(runs + 1), description=title):
            for name, function in functions.items():
                start = time.perf_counter()
                function()
                if turn:  # the first round warms up
                    times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(t) for name, t in times.items()}
    peak = 2 * 1024**3 / median.pop("torch.mm") / 1e9
    result = Table("", "ms", "faster by", "peak, of output", "GFLOP/s", "of torch.mm", title=title)
    for name, seconds in median.items():
        memory, output = peak_memory(functions[name])
        rate = work / seconds / 1e9 if work else 0
        result.add_row(
            name,
            f"{seconds * 1e3:.1f}",
            f"{median[yardstick] / seconds:.1f} x",
            f"{memory / output:.2f} x",
            f"{rate:.0f}" if work else "",
            f"{rate / peak:.0%}" if work else "",
        )
    CONSOLE.print(result)
    CONSOLE.print(f"torch.mm in the same rounds: {peak:.0f} GFLOP/s\n")


def peak_memory(function) -> tuple[int, int]:
    """Peak bytes of tensors alive beyond those at the start, and the bytes of the result."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        out = function()
    alive = peak = 0
    for event in sorted(recorded.events() or [], key=lambda e: e.time_range.start):
        if event.name == "[memory]":
            alive += event.cpu_memory_usage
            peak = max(peak, alive)
    return peak, out.numel() * out.element_size()


if __name__ == "__main__":
    main()
