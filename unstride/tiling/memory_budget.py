"""How much memory there is: what a budget says, what the machine has left, what is in use."""

import os
import re
from pathlib import Path

import torch

DEFAULT_SHARE = 0.5  # of what is left, by default
BYTES_PER_UNIT = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
FALLBACK_BYTES = 4 * 10**9  # assumed to be left where no system call tells
CGROUP_FILES = (  # folder, its file of the limit, of the use, and the line of what could be dropped
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def parse_memory(text: str | None) -> int | None:
    """ "8GB", "500MB" or "1.5GiB" in bytes; nothing is None.

    Raises:
        ValueError: if it is none of these.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b", str(text).strip().lower()):
        number, unit, binary = match.groups()
        step = 1024 ** "kmgt".find(unit) * 1024 if binary and unit else BYTES_PER_UNIT[unit]
        if size := int(float(number) * step):
            return size
    raise ValueError(f"memory must be a size such as 8GB or 500MB, got {text!r}")


def remaining_memory(memory: int | None, device: torch.device) -> int:
    """Bytes that may still be taken.

    Args:
        memory: that the process may have in all; by default what it has and half of what is left.
        device: on a GPU, its own memory counts.
    """
    if memory is None:
        return int(DEFAULT_SHARE * free_memory(device))
    on_gpu = device.type == "cuda"
    return memory - (torch.cuda.memory_allocated(device) if on_gpu else resident_memory())


def free_memory(device: torch.device) -> int:
    """Bytes that can be taken on a device before it runs out."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_ram()


def available_ram(root: Path = Path("/")) -> int:
    """Bytes that processes can take before the machine, or this process's group, runs out.

    Args:
        root: under which proc and sys lie.
    """
    try:
        found = re.search(r"MemAvailable: +(\d+) kB", (root / "proc/meminfo").read_text())
    except OSError:
        found = None
    if found is not None:
        return min([int(found[1]) * 1024, *_cgroups_free(root)])
    try:  # half of what is built in: how much of it is free, these systems do not tell
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return FALLBACK_BYTES


def resident_memory() -> int:
    """Bytes that this process has in memory; the most it ever had where no more is known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    except ImportError:
        return 0


def _cgroups_free(root: Path) -> list[int]:
    """Of each control group that the process is in, and those above; both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number != "0" and "memory" not in controllers.split(","):
            continue
        folder, *files = CGROUP_FILES[number != "0"]
        base = root / "sys/fs/cgroup" / folder
        group = base / path.lstrip("/")
        # A container may see its group's path and not its folder: then the mount is the group.
        left += [
            n for p in (group, *group.parents) if p.is_relative_to(base)
            if (n := _cgroup_free(p, *files)) is not None
        ]  # fmt: skip
    return left


def _cgroup_free(group: Path, limit: str, use: str, droppable: str) -> int | None:
    try:
        most, used = (group / limit).read_text().strip(), int((group / use).read_text())
        cached = re.search(rf"^{droppable} (\d+)$", (group / "memory.stat").read_text(), re.M)
    except (OSError, ValueError):
        return None
    if most == "max":
        return None
    return max(int(most) - used + (int(cached[1]) if cached else 0), 0)
