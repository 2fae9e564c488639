"""Runs jobs on as many threads as torch uses: torch's own threads if they can be used."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import torch

MIN_PARALLEL_WORK = 1 << 18  # multiply-adds below which a second thread costs more than it saves
TEAM_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
IMPORT_PID = os.getpid()
MEMORY_MAP = Path("/proc/self/maps")  # where Linux lists the libraries that are loaded

Job = tuple  # a kernel and its arguments


def run_jobs(jobs: list[Job], multiply_adds: int) -> None:
    """Run the jobs on as many threads as torch uses.

    Uses the threads of torch's OpenMP if possible. They stay awake for some milliseconds after an
    operation of torch, and other threads would compete with them for the cores in that time.

    Args:
        jobs: kernels that release the GIL, with their arguments.
        multiply_adds: number of multiply-adds in all jobs.
    """
    tickets = itertools.count()

    def take_jobs() -> None:
        while (ticket := next(tickets)) < len(jobs):
            kernel: Callable = jobs[ticket][0]
            kernel(*jobs[ticket][1:])

    threads = min(torch.get_num_threads(), len(jobs)) if multiply_adds > MIN_PARALLEL_WORK else 1
    if threads == 1:
        take_jobs()
    elif (parallel := _openmp_parallel(os.getpid())) is not None:
        _run_in_openmp_team(parallel, take_jobs, threads)
    else:
        helpers = [
            _thread_pool(os.getpid(), threads - 1).submit(take_jobs) for _ in range(threads - 1)
        ]
        take_jobs()
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def _run_in_openmp_team(parallel: Callable, take_jobs: Callable[[], None], threads: int) -> None:
    errors: list[BaseException] = []

    def team_member(_) -> None:
        try:
            take_jobs()
        except BaseException as error:  # it cannot pass through C
            errors.append(error)

    parallel(TEAM_FUNCTION(team_member), None, threads, 0)
    if errors:
        raise errors[0]


@lru_cache(maxsize=1)
def _openmp_parallel(pid: int) -> Callable | None:
    """`GOMP_parallel` of the OpenMP that torch has loaded; None after a fork or on other systems.

    A forked child has GNU's OpenMP, but not its threads: a team of several would wait forever.
    """
    if pid != IMPORT_PID or multiprocessing.parent_process() is not None:
        return None
    with contextlib.suppress(OSError, AttributeError, ValueError):
        for path in sorted(_loaded_openmp(), key=lambda path: "torch" not in path):
            parallel = ctypes.CDLL(path).GOMP_parallel
            parallel.argtypes = [TEAM_FUNCTION, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            parallel.restype = None
            return parallel
    return None


def _loaded_openmp() -> set[str]:
    """Paths of the copies of GNU's OpenMP that are loaded."""
    text = MEMORY_MAP.read_text(encoding="utf-8", errors="surrogateescape")
    lines = (line.split(maxsplit=5) for line in text.split("\n"))  # the sixth part is the path
    return {parts[5] for parts in lines if len(parts) == 6 and "libgomp" in Path(parts[5]).name}


@lru_cache(maxsize=1)
def _thread_pool(pid: int, threads: int) -> ThreadPoolExecutor:
    del pid  # part of the cache key: a forked child inherits the pool, but not its threads
    return ThreadPoolExecutor(threads, "unstride")
