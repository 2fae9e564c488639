"""The three operations on the CPU: how the work is cut into jobs, and who does them."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unstride.ops.cpu import dot_product_kernel, weighted_sum_kernel
from unstride.ops.window import adjoint_windows, window_start

MAX_JOB_CHANNELS = 512  # channels of one job, at most
MAX_LANES = 4  # neighbouring outputs that a kernel computes together, at most
VECTOR_REGISTERS = 30  # of a vector unit, for the weights of one pass over the channels
RING_BUFFER_BYTES = 3 << 17  # 384 KiB: with the row being written, it stays within a core's L2
MIN_PARALLEL_WORK = 1 << 18  # multiply-adds below which a second thread costs more than it brings

Job = tuple  # a kernel and its arguments


def reassemble_cpu(features: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `reassemble(features, weights)` to `out`, of any layout."""
    (h, w), (H, W), k = features.shape[2:], out.shape[2:], weights.shape[2]
    _run_weighted_sum(
        features, weights, out, window_ranges(h, H, k), window_ranges(w, W, k), adjoint=False
    )


def scatter_cpu(values: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `scatter(values, weights, out.shape[2:])` to `out`, of any layout."""
    (h, w), (H, W), k = out.shape[2:], values.shape[2:], weights.shape[2]
    _run_weighted_sum(
        values, weights, out, adjoint_ranges(h, H, k), adjoint_ranges(w, W, k), adjoint=True
    )


def _run_weighted_sum(
    source, weights, out, rows: SourceRanges, cols: SourceRanges, *, adjoint: bool
) -> None:
    if out.numel() == 0:
        return
    (b, g, k), taps, c = weights.shape[:3], weights.numpy(), out.shape[1] // weights.shape[1]
    column = int(rows.count.max()) * min(c, MAX_JOB_CHANNELS) * out.element_size()
    kernel = weighted_sum_kernel(cols.piece, cols.starts, adjoint, out.dtype)
    tables = rows.first, rows.count, rows.start, cols.first, cols.count, cols.start, cols.fits
    read, written, parts = (
        _flat_memory(source),
        _flat_memory(out),
        b * g * -(-c // MAX_JOB_CHANNELS),
    )
    jobs = [
        (kernel, read, plan, taps[i, j], written, _strided_layout(out, i, channels), *tables, *area)
        for i in range(b)
        for j in range(g)
        for channels in _channel_blocks(j * c, (j + 1) * c)
        for plan in [_strided_layout(source, i, channels)]
        for area in output_tiles(rows, cols, column, parts)
    ]
    run_jobs(jobs, k * k * max(source.numel(), out.numel()))


def correlate_cpu(queries: Tensor, keys: Tensor, out: Tensor) -> None:
    """Write `correlate(queries, keys, ...)` to `out`, contiguous "b g k k H W"."""
    if out.numel() == 0:
        return
    (b, g, k, _, H, W), (h, w), c = out.shape, keys.shape[2:], keys.shape[1] // out.shape[1]
    rows, cols, scores = window_ranges(h, H, k), window_ranges(w, W, k), out.numpy()
    column = k * c * out.element_size()
    kernel = dot_product_kernel(k, cols.starts, out.dtype)
    tables = rows.first, cols.first, cols.fits
    asked, read = _flat_memory(queries), _flat_memory(keys)
    jobs = [
        (
            kernel,
            asked,
            plan,
            read,
            _strided_layout(keys, i, channels),
            scores[i, j],
            *tables,
            *area,
        )
        for i in range(b)
        for j in range(g)
        for channels in [range(j * c, (j + 1) * c)]
        for plan in [_strided_layout(queries, i, channels)]
        for area in output_tiles(rows, cols, column, b * g)
    ]
    run_jobs(jobs, out.numel() * c)


def _channel_blocks(start: int, stop: int) -> list[range]:
    return [range(i, min(i + MAX_JOB_CHANNELS, stop)) for i in range(start, stop, MAX_JOB_CHANNELS)]


def _flat_memory(tensor: Tensor) -> np.ndarray:
    """The memory that a tensor looks at, as one line: strides in it are known to be elements."""
    reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.as_strided((reach + 1 if tensor.numel() else 0,), (1,)).numpy()


def _strided_layout(tensor: Tensor, image: int, channels: range) -> tuple[int, ...]:
    """Where in that line some channels of an image lie: first element, steps, sizes."""
    step_b, step_c, step_y, step_x = tensor.stride()
    first = image * step_b + channels.start * step_c
    return first, step_y, step_x, step_c, *tensor.shape[2:], len(channels)


class SourceRanges:
    """Which source indices each output sums over along one axis, on the map or beyond it.

    Attributes:
        first, count: output i sums over [first[i], first[i] + count[i]).
        start: where the forward windows begin, from which the adjoint finds its weights.
        fits: whether outputs i, i + 1, ... may be computed together: their windows begin at
            first[i] + starts and have `span` taps each.
        piece: how many of the taps are summed in one pass; what is left is summed tap by tap.
    """

    def __init__(self, first: Tensor, count: Tensor, start: Tensor):
        self.first, self.count, self.start = first.numpy(), count.numpy(), start.numpy()
        n, self.starts, self.span = len(first), (0,), 0
        if n:
            self.span = int(np.bincount(self.count).argmax())
        self.piece = _taps_per_pass(self.span)
        if n >= MAX_LANES:
            near = np.arange(0, n - MAX_LANES + 1, MAX_LANES)[:, None] + np.arange(MAX_LANES)
            offsets, votes = np.unique(
                self.first[near] - self.first[near[:, :1]], axis=0, return_counts=True
            )
            common = offsets[votes.argmax()].tolist()
            share = common[1] < self.piece  # else neighbours have nothing in common
            self.starts = tuple(common[: VECTOR_REGISTERS // max(self.piece, 1) if share else 1])
        lanes = np.arange(n - len(self.starts) + 1)[:, None] + np.arange(len(self.starts))
        alike = self.first[lanes] - self.first[lanes[:, :1]] == self.starts
        self.fits = np.zeros(n, bool)
        self.fits[: len(lanes)] = alike.all(1) & (self.count[lanes] == self.span).all(1)


def _taps_per_pass(span: int) -> int:
    """A share of the taps whose weights fit into the registers, dividing them if possible."""
    if span <= VECTOR_REGISTERS // 2:
        return span
    return next((d for d in range(12, 5, -1) if span % d == 0), 8)


@lru_cache(maxsize=256)
def window_ranges(input_size: int, output_size: int, k: int) -> SourceRanges:
    """Each output sums over the inputs in its window."""
    start = window_start(input_size, output_size, k)
    return SourceRanges(start, torch.full_like(start, k), start)


@lru_cache(maxsize=256)
def adjoint_ranges(input_size: int, output_size: int, k: int) -> SourceRanges:
    """Each input sums over the outputs whose windows hold it."""
    start = window_start(input_size, output_size, k)
    return SourceRanges(*adjoint_windows(input_size, output_size, k), start)


def output_tiles(
    rows: SourceRanges, cols: SourceRanges, bytes_per_column: int, others: int
) -> list[tuple[int, ...]]:
    """The output cut into (y0, y1, x0, x1), each to be done with a ring within RING_BYTES.

    Args:
        rows, cols: the output's axes.
        bytes_per_column: of the ring, for each source column.
        others: in how many parts the work is cut already.
    """
    H, W = len(rows.first), len(cols.first)
    columns = max(RING_BUFFER_BYTES // max(bytes_per_column, 1) - int(cols.count.max()), 1)
    reach = max(int(cols.first[-1] - cols.first[0]), 1)
    lanes = len(cols.starts)
    strip = max(columns * W // reach // lanes * lanes, lanes)
    bands = max(8 * torch.get_num_threads() // (others * -(-W // strip)), 1)
    band = -(-H // bands)
    return [
        (y, min(y + band, H), x, min(x + strip, W))
        for y in range(0, H, band)
        for x in range(0, W, strip)
    ]


def run_jobs(jobs: list[Job], work: int) -> None:
    """Do the jobs on as many threads as torch uses.

    They are torch's own where they can be had: after one of its operations they stay awake for
    some milliseconds, in which threads of ours would have to fight them for the cores.

    Args:
        jobs: kernels that release the GIL, with their arguments.
        work: multiply-adds in all of them.
    """
    tickets = itertools.count()

    def take_jobs() -> None:
        while (ticket := next(tickets)) < len(jobs):
            kernel: Callable = jobs[ticket][0]
            kernel(*jobs[ticket][1:])

    threads = min(torch.get_num_threads(), len(jobs)) if work > MIN_PARALLEL_WORK else 1
    if threads == 1:
        take_jobs()
    elif (parallel := _openmp_parallel(os.getpid())) is not None:
        _run_in_openmp_team(parallel, take_jobs, threads)
    else:
        waiting = [
            _thread_pool(os.getpid(), threads - 1).submit(take_jobs) for _ in range(threads - 1)
        ]
        take_jobs()
        for helper in waiting:
            if not helper.cancel():
                helper.result()


def _run_in_openmp_team(parallel: Callable, take_jobs: Callable[[], None], threads: int) -> None:
    failed: list[BaseException] = []

    def member(_) -> None:
        try:
            take_jobs()
        except BaseException as error:  # it cannot pass through C
            failed.append(error)

    parallel(TEAM_FUNCTION(member), None, threads, 0)
    if failed:
        raise failed[0]


TEAM_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
IMPORT_PID = os.getpid()


@lru_cache(maxsize=1)
def _openmp_parallel(process: int) -> Callable | None:
    """`GOMP_parallel` of the OpenMP that torch has loaded; none after a fork or elsewhere.

    A forked child has GNU's OpenMP, but not its threads: a team of several would wait forever.
    """
    if process != IMPORT_PID or multiprocessing.parent_process() is not None:
        return None
    with contextlib.suppress(OSError, AttributeError):
        loaded = re.findall(r"/\S*libgomp\S*", Path("/proc/self/maps").read_text())
        for path in sorted(set(loaded), key=lambda path: "torch" not in path):
            parallel = ctypes.CDLL(path).GOMP_parallel
            parallel.argtypes = [TEAM_FUNCTION, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            parallel.restype = None
            return parallel
    return None


@lru_cache(maxsize=1)
def _thread_pool(process: int, threads: int) -> ThreadPoolExecutor:
    del process  # a forked child inherits the object but not its threads: it makes its own
    return ThreadPoolExecutor(threads, "unstride")
