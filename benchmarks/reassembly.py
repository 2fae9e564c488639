"""`make bench`: compares time and memory with the usual formulations, interleaved in one process.

Times are medians of interleaved rounds; only their ratios carry over to another machine. Memory
is the growth of the resident peak during one call, in a process of its own. A result that
differs from the plain torch formulation stops the run: a fast wrong kernel is slower than none.
"""

import argparse
import os
import platform

import numba
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from benchmarks.reassembly_calls import TABLES, RowCall, stack_calls
from unstride.evaluation.process_memory import measure_peak_in_subprocess
from unstride.evaluation.timing import median_times

CONSOLE = Console(highlight=False, width=110)
TABLE_TITLES = {
    "forward": "reassemble, forward: 1x256x64x64, window 5, x2",
    "backward": "reassemble, forward and backward",
    "stack": "featup_jbu, forward: 1x384x28x28 -> 448x448",
}
FORWARD_FLOPS = 2 * 256 * 128 * 128 * 25
TABLE_FLOPS = {"forward": FORWARD_FLOPS, "backward": 3 * FORWARD_FLOPS}
MEMORY_THREADS = 2  # threads of the processes in which memory is measured


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="interleaved rounds (default: 25)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("--table", choices=TABLES, help="print only this table")
    parser.add_argument("--profile", action="store_true", help="where featup_jbu's time goes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    CONSOLE.print(
        f"torch {torch.__version__}, numba {numba.__version__}, {options.threads} threads of "
        f"{os.cpu_count()} cores, {platform.machine()}, float32, medians of interleaved rounds"
    )
    if options.profile:
        print_stack_profile()
        return
    num_rounds = {
        "forward": options.rounds,
        "backward": options.rounds // 3,
        "stack": options.rounds // 5,
    }
    for name in TABLES if options.table is None else [options.table]:
        print_table(name, max(num_rounds[name], 3))


def print_stack_profile() -> None:
    """Print the operators of the paper's variant, sorted by their own time."""
    call = stack_calls()["paper's variant, channels_last"]()
    call()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        call()
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


def print_table(name: str, num_rounds: int) -> None:
    """Time the calls of a table in turn, with `torch.mm` among them, and print a row for each."""
    left, right = torch.randn(2, 1024, 1024)
    calls = {row: create_call() for row, create_call in TABLES[name]().items()}
    title = TABLE_TITLES[name]
    with Progress(console=CONSOLE, transient=True) as progress:
        times = median_times(
            calls | {"torch.mm": lambda: left @ right},
            num_rounds,
            track=lambda rounds: progress.track(rounds, description=title),
        )
    mm_gflops = 2 * 1024**3 / times.pop("torch.mm") / 1e9
    tap_loop_time = next(seconds for row, seconds in times.items() if row.startswith("tap loop"))
    table = Table("", "ms", "tap loop / this", "peak / output", "GFLOP/s", "of torch.mm")
    table.title = f"{title}, {num_rounds} rounds"
    for row, seconds in times.items():
        gflops = TABLE_FLOPS[name] / seconds / 1e9 if name in TABLE_FLOPS else 0
        table.add_row(
            row,
            f"{seconds * 1e3:.1f}",
            f"{tap_loop_time / seconds:.2f}",
            f"{relative_peak(name, row, calls[row]().nbytes):.2f}",
            f"{gflops:.0f}" if gflops else "",
            f"{gflops / mm_gflops:.0%}" if gflops else "",
        )
    CONSOLE.print(table)
    CONSOLE.print(f"torch.mm, 1024 x 1024, in the same rounds: {mm_gflops:.0f} GFLOP/s\n")


def relative_peak(table: str, row: str, output_bytes: int) -> float:
    """The peak memory of a row's call beyond its inputs, relative to the size of its result."""
    peak = measure_peak_in_subprocess(RowCall(table, row), num_threads=MEMORY_THREADS)
    return float("nan") if peak is None else peak / output_bytes


if __name__ == "__main__":
    main()
