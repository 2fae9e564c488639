"""Reads memory limits such as "8GB", and measures free memory and memory in use."""

import re
from pathlib import Path

import torch

DEFAULT_SHARE = 0.5  # of the free memory, used if no limit is given
BYTES_PER_UNIT = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
FALLBACK_BYTES = 4 * 10**9  # assumed to be free where the system does not tell
CGROUP_FILES = (  # v2 and v1: folder, file of the limit, of the usage, line of reclaimable memory
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def parse_memory(text: str | None) -> int | None:
    """Convert "8GB", "500MB" or "1.5GiB" to bytes, and None to None.

    Raises:
        ValueError: if the text is no such size.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b", str(text).strip().lower()):
        number, unit, binary = match.groups()
        factor = 1024 ** "kmgt".find(unit) * 1024 if binary and unit else BYTES_PER_UNIT[unit]
        if size := int(float(number) * factor):
            return size
    raise ValueError(f"memory must be a size such as 8GB or 500MB, got {text!r}")


def remaining_memory(memory_limit: int | None, device: torch.device) -> int:
    """Bytes that the process may still take.

    Args:
        memory_limit: bytes that the process may use in all. Default: what it already uses, plus
            half of the free memory.
        device: on a GPU, the GPU's memory counts.
    """
    if memory_limit is None:
        return int(DEFAULT_SHARE * free_memory(device))
    on_gpu = device.type == "cuda"
    return memory_limit - (torch.cuda.memory_allocated(device) if on_gpu else resident_memory())


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on a device before it runs out."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_ram()


def available_ram(root: Path = Path("/")) -> int:
    """Bytes that can be allocated before the machine, or this process's control group, runs out.

    Args:
        root: folder that contains `proc` and `sys`, where Linux describes control groups.
    """
    import psutil

    try:
        available = psutil.virtual_memory().available
    except (OSError, RuntimeError, psutil.Error):
        available = FALLBACK_BYTES
    return min([available, *_cgroups_free(root)])


def resident_memory() -> int:
    """Bytes that this process has in memory; 0 where the system does not tell."""
    import psutil

    try:
        return psutil.Process().memory_info().rss
    except (OSError, RuntimeError, psutil.Error):
        return 0


def _cgroups_free(root: Path) -> list[int]:
    """Free bytes of each control group of the process and of their parents, versions 1 and 2."""
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    free = []
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "memory" not in controllers.split(","):
            continue
        folder, *files = CGROUP_FILES[number != "0"]
        base = root / "sys/fs/cgroup" / folder
        group = base / path.lstrip("/")
        # In a container, the folder of the group's path may be missing: the mount is the group.
        free += [
            n for p in (group, *group.parents) if p.is_relative_to(base)
            if (n := _cgroup_free(p, *files)) is not None
        ]  # fmt: skip
    return free


def _cgroup_free(group: Path, limit_file: str, usage_file: str, reclaimable: str) -> int | None:
    """Free bytes of one control group; None if it has no limit or cannot be read."""
    try:
        limit = (group / limit_file).read_text(encoding="utf-8").strip()
        usage = int((group / usage_file).read_text(encoding="utf-8"))
        statistics = (group / "memory.stat").read_text(encoding="utf-8")
        cached = re.search(rf"^{reclaimable} (\d+)$", statistics, re.M)
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    return max(int(limit) - usage + (int(cached[1]) if cached else 0), 0)
