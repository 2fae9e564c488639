"""Peak memory of a benchmark's call beyond its inputs, in a process of its own.

    python -m benchmarks.memory forward "unstride, contiguous"

prints two numbers of bytes: the growth of the resident peak during the call, and the result.
"""

import subprocess
import sys

from unstride.evaluation.process_memory import measure_peak


def peak_memory(table: str, row: str) -> tuple[int, int]:
    """Bytes at the peak of a benchmark's call beyond its inputs, and bytes of its result."""
    command = [sys.executable, "-m", "benchmarks.memory", table, row]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, result = map(int, done.stdout.split())
    return peak, result


def main(table: str, row: str) -> None:
    """Measure one call, after one that compiles and loads what it needs."""
    import torch

    from benchmarks.reassembly import TABLES

    torch.set_num_threads(2)
    peak, result = measure_peak(TABLES[table]()[row]())
    print(peak, result.numel() * result.element_size())


if __name__ == "__main__":
    main(*sys.argv[1:])
