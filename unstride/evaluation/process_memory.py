"""Measures the peak memory of a call, as the kernel sees it; Linux only.

As a program, it measures a pickled call in a process of its own:

    python -m unstride.evaluation.process_memory THREADS < PICKLED  # prints the peak in bytes
"""

import ctypes
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def proc_status_bytes(field: str) -> int:
    """Read a line of /proc/self/status, in bytes; Linux only."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no line {field}")


def measure_peak(call: Callable[[], Any]) -> int:
    """Measure by how many bytes the resident peak grows during a second call.

    The first call compiles and loads what is needed.
    """
    call()
    ctypes.CDLL(None).malloc_trim(0)  # memory left by the first call would hide the second
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # reset the peak
    before = proc_status_bytes("VmRSS")
    result = call()
    peak = proc_status_bytes("VmHWM") - before
    del result
    return peak


def measure_peak_in_subprocess(call: Callable[[], Any], num_threads: int = 1) -> int | None:
    """Measure the peak of a call in a process of its own, in bytes.

    Args:
        call: a call that can be pickled.
        num_threads: number of torch's threads in that process. Default: 1.

    Returns:
        None where it cannot be measured: on systems other than Linux, and for calls that cannot
        be pickled, such as an instance of a class that a function made.
    """
    if sys.platform != "linux":
        return None
    try:
        pickled = pickle.dumps(call)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    command = [sys.executable, "-m", "unstride.evaluation.process_memory", str(num_threads)]
    process = subprocess.run(command, input=pickled, capture_output=True)
    if process.returncode:
        errors = process.stderr.decode(errors="replace").strip()
        reason = (errors or f"exit code {process.returncode}").splitlines()[-1]
        raise RuntimeError(f"memory could not be measured: {reason}")
    return int(process.stdout.split()[-1])


def main(num_threads: str) -> None:
    """Measure the pickled call on standard input and print its peak in bytes."""
    import torch

    torch.set_num_threads(int(num_threads))
    print(measure_peak(pickle.loads(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main(*sys.argv[1:])
