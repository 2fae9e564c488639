"""Peak memory of one call beyond its inputs, in a process of its own, as the kernel saw it.

    python -m benchmarks.memory forward "unstride, contiguous"

prints two numbers of bytes: the growth of the resident peak during the call, and the result.
"""

import ctypes
import subprocess
import sys
from pathlib import Path


def peak_memory(table: str, row: str) -> tuple[int, int]:
    """Bytes at the peak of a benchmark's call beyond its inputs, and bytes of its result."""
    command = [sys.executable, "-m", "benchmarks.memory", table, row]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, result = map(int, done.stdout.split())
    return peak, result


def resident(field: str) -> int:
    """A line of /proc/self/status, in bytes; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no line {field}")


def main(table: str, row: str) -> None:
    """Measure one call, after one that compiles and loads what it needs."""
    import torch

    from benchmarks.bench import TABLES

    torch.set_num_threads(2)
    call = TABLES[table]()[row]()
    call()
    ctypes.CDLL(None).malloc_trim(0)  # what the first call left behind would hide the second
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident("VmRSS")
    result = call()
    print(resident("VmHWM") - before, result.numel() * result.element_size())


if __name__ == "__main__":
    main(*sys.argv[1:])
