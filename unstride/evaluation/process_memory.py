"""Peak memory of a call, as the kernel saw it; Linux only.

Run as a program, it measures an upsampler in a process of its own:

    python -m unstride.evaluation.process_memory PICKLED  # prints the peak in bytes
"""

import ctypes
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def proc_status_bytes(field: str) -> int:
    """A line of /proc/self/status, in bytes; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no line {field}")


def measure_peak(call: Callable[[], Any]) -> tuple[int, Any]:
    """Growth of the resident peak during a second call, in bytes, and what it returned.

    The first call compiles and loads what is needed.
    """
    call()
    ctypes.CDLL(None).malloc_trim(0)  # what the first call left behind would hide the second
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = proc_status_bytes("VmRSS")
    result = call()
    return proc_status_bytes("VmHWM") - before, result


def measure_peak_in_subprocess(call: Callable[[], Any]) -> int | None:
    """The peak of a call in a process of its own, in bytes; None where it cannot be had.

    It cannot be had of what cannot be pickled, such as a class that a function made, and on
    systems other than Linux.
    """
    if sys.platform != "linux":
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call"
        try:
            path.write_bytes(pickle.dumps(call))
        except (pickle.PicklingError, AttributeError, TypeError):
            return None
        command = [sys.executable, "-m", "unstride.evaluation.process_memory", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise RuntimeError(f"memory could not be measured: {reason}")
    return int(done.stdout.split()[-1])


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    print(measure_peak(pickle.loads(Path(sys.argv[1]).read_bytes()))[0])
