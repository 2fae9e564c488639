"""Writes files so that they appear whole or not at all, and removes what killed runs left.

A file that is being written is called NAME.PID-PLACE.tmp: the number of the process that writes it,
and a hash of the machine or container in which that number is valid.
"""

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from unstride.formats.running_process import is_running

TEMPORARY_NAME = re.compile(r".+\.(?P<pid>\d+)-(?P<place>[0-9a-f]{8})\.tmp")
UNTOUCHED_SECONDS = 7 * 24 * 3600  # a file of another machine is left over if it is as old


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`. The file written there is renamed to `path` on success."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{place()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, recursive: bool = True) -> None:
    """Remove the temporary files of runs that were killed; those of living runs stay.

    Files from other machines, whose processes cannot be seen from here, stay for a week.

    Args:
        folder: output folder. It may be missing.
        recursive: also search the folders inside. Default: True.
    """
    for path in folder.rglob("*.tmp") if recursive else folder.glob("*.tmp"):
        with suppress(OSError):  # another run may be faster, or not let it go
            if path.is_file() and _is_left_over(path):
                path.unlink()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder in the system's temporary folder; those that killed runs left are removed."""
    for path in Path(tempfile.gettempdir()).glob("unstride-*.tmp"):
        with suppress(OSError):
            if path.is_dir() and _is_left_over(path):
                shutil.rmtree(path, ignore_errors=True)
    suffix = f".{os.getpid()}-{place()}.tmp"
    with tempfile.TemporaryDirectory(prefix="unstride-", suffix=suffix) as folder:
        yield Path(folder)


def _is_left_over(path: Path) -> bool:
    """Whether a run that has ended left it; others have other names."""
    name = TEMPORARY_NAME.fullmatch(path.name)
    if name is None or path.is_symlink():
        return False
    if name["place"] == place():
        return not is_running(int(name["pid"]))
    return time.time() - path.stat().st_mtime > UNTOUCHED_SECONDS


@cache
def place() -> str:
    """Eight hex digits for this machine, or this container: where a process number is valid."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # other systems than Linux
        namespace = ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]


def atomic_write_text(path: Path, text: str) -> None:
    """Write a text file. Its folder is created if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file into an existing folder."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
