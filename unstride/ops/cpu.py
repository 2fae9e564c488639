"""The Numba kernels of the CPU: what one job computes (cpu_jobs.py splits the work into jobs).

A job is a tile of output rows and columns of one image, and one block of channels. The source rows
that its windows need are copied into a ring buffer: channels last, aligned, zero beyond the border.
So the inner loops do not depend on memory layout or border, and no intermediate outgrows the cache.

`reassemble` and `scatter` use the same kernel, a weighted sum over a rectangle of source pixels;
only the weights are looked up differently. Neighbouring outputs, called lanes, are computed
together: their windows overlap, and the pixels that they share are loaded once.

Threads come from outside (cpu_threads.py), never from Numba: `parallel=True` breaks forked
DataLoader workers and threaded servers. A kernel is compiled when its window is first used, then
cached. In the kernels, `at` is an index that is read and `to` an index that is written.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache

import numba
import numpy as np
import torch
from numba.extending import register_jitable

from unstride.ops.kernel_cache import KernelFiles

LAYOUT_TYPE = "UniTuple(i8, 7)"  # first element; steps of row, column, channel; h, w, c
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}  # not "nnan", "ninf": NaN must pass through
OPTIONS = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy"}


def _compile(kernel: Callable, name: str, signature: str) -> Callable:
    """Load a kernel from the cache, or compile it. A cache that cannot be read is written anew."""
    kernel.__name__ = kernel.__qualname__ = name
    for _ in range(2):  # the first may end at a damaged cache, which it removes
        with suppress(Exception):
            return _compile_with_cache(kernel, name, signature)
    return numba.njit(signature, **OPTIONS)(kernel)  # for this process only


def _compile_with_cache(kernel: Callable, name: str, signature: str) -> Callable:
    """Load a kernel from the cache, or compile it and write it there.

    Raises:
        Exception: if there is no folder for the cache, or it cannot be read: EOFError,
            UnpicklingError, OSError or whatever else the damage leads to.
    """
    compiled = numba.njit(cache=True, **OPTIONS)(kernel)
    files = KernelFiles(compiled.stats.cache_path, name)
    if not files.are_whole():
        files.remove()
    try:
        compiled.compile(signature)
        if compiled.stats.cache_misses:
            files.seal()
    except Exception:
        files.remove()
        if not compiled.signatures:  # otherwise it was only not written
            raise
    compiled.disable_compile()
    return compiled


def _kernel_name(*parts: object) -> str:
    """A kernel's unique name: it contains everything that distinguishes the kernel.

    Compiled code in the cache is found by name. Numba's own numbers are unique within one process
    only, so two kernels of the same name, compiled by two processes, would be confused.
    """
    return re.sub(r"\W+", "_", "_".join(map(str, parts)))


def _unrolled_function(name: str, arguments: str, lines: list[str]) -> Callable:
    """Build a function from source lines. LLVM vectorises over channels only unrolled code."""
    scope: dict = {"n": np.uintp}
    source = "\n ".join([f"def {name}({arguments}):", *lines])
    exec(compile(source, __file__, "exec"), scope)
    return register_jitable(scope[name])


@lru_cache
def _row_sum_kernel(taps: int, lane_offsets: tuple[int, ...]) -> Callable:
    """Build the function sums[lane] += weighted sum over a row of the window, for all lanes."""
    lanes, pixels = range(len(lane_offsets)), range(max(lane_offsets) + taps)
    return _unrolled_function(
        _kernel_name("row_sums", taps, lane_offsets),
        "source, at, c, weights, first, lane_step, sums, to",
        [
            f"w{j}_{t} = weights[first + n({j}) * lane_step + n({t})]"
            for j in lanes
            for t in range(taps)
        ]
        + [f"at{t} = at + n({t}) * c" for t in pixels]
        + [f"to{j} = to + n({j}) * c" for j in lanes]
        + ["for i in range(c):"]
        + [f" f{t} = source[at{t} + i]" for t in pixels]
        + [
            f" sums[to{j} + i] += " + " + ".join(f"w{j}_{t} * f{s + t}" for t in range(taps))
            for j, s in enumerate(lane_offsets)
            if taps
        ]
        + [" pass"],
    )


@lru_cache
def _row_dot_kernel(taps: int, lane_offsets: tuple[int, ...]) -> Callable:
    """Build the function scores[tap, lane] = query[lane] . source over a row of the window."""
    lanes, pixels = range(len(lane_offsets)), range(max(lane_offsets) + taps)
    pairs = [(j, t) for j in lanes for t in range(taps)]
    return _unrolled_function(
        _kernel_name("row_dots", taps, lane_offsets),
        "source, at, c, queries, to, scores, x",
        [f"at{t} = at + n({t}) * c" for t in pixels]
        + [f"to{j} = to + n({j}) * c" for j in lanes]
        + [f"d{j}_{t} = scores.dtype.type(0)" for j, t in pairs]
        + ["for i in range(c):"]
        + [f" f{t} = source[at{t} + i]" for t in pixels]
        + [f" q{j} = queries[to{j} + i]" for j in lanes]
        + [f" d{j}_{t} += q{j} * f{lane_offsets[j] + t}" for j, t in pairs]
        + [f"scores[{t}, x + {j}] = d{j}_{t}" for j, t in pairs],
    )


@register_jitable
def _aligned_empty(size, like):
    """Uninitialised memory aligned to a cache line; a vector across two lines costs two loads."""
    memory = np.empty(size + 64, like.dtype)
    skip = (-memory.ctypes.data % 64) // memory.itemsize
    return memory[skip : skip + size]


@register_jitable
def _load_row(memory, layout, y, x, width, row):
    """Copy pixels x ... x + width - 1 of row y to `row`: channels last, zero beyond the border."""
    first, step_y, step_x, step_c, h, w, c = layout
    row[:] = 0
    if y < 0 or y >= h:
        return
    x_first, n, eights = max(x, 0), np.uintp(c), np.uintp(c - c % 8)
    pixels = np.uintp(max(min(x + width, w) - x_first, 0))
    to, at = np.uintp((x_first - x) * c), np.uintp(first + y * step_y + x_first * step_x)
    dx, dc = np.uintp(step_x), np.uintp(step_c)
    if step_c == 1:
        for j in range(pixels):
            for i in range(n):
                row[to + j * n + i] = memory[at + j * dx + i]
        return
    # Channels are copied in groups of eight, so that each cache line of `row` is visited once.
    for block in range(np.uintp(0), eights, np.uintp(8)):
        for j in range(pixels):
            for i in range(np.uintp(8)):
                row[to + j * n + block + i] = memory[at + j * dx + (block + i) * dc]
    for i in range(eights, n):
        for j in range(pixels):
            row[to + j * n + i] = memory[at + j * dx + i * dc]


@register_jitable
def _store_row(row, memory, layout, y, x, width):
    """Copy `row`, channels last, to pixels x ... x + width - 1 of row y."""
    first, step_y, step_x, step_c, _, _, c = layout
    n, eights, pixels = np.uintp(c), np.uintp(c - c % 8), np.uintp(width)
    at, dx, dc = np.uintp(first + y * step_y + x * step_x), np.uintp(step_x), np.uintp(step_c)
    if step_c == 1:
        for j in range(pixels):
            for i in range(n):
                memory[at + j * dx + i] = row[j * n + i]
        return
    for block in range(np.uintp(0), eights, np.uintp(8)):
        for j in range(pixels):
            for i in range(np.uintp(8)):
                memory[at + j * dx + (block + i) * dc] = row[j * n + block + i]
    for i in range(eights, n):
        for j in range(pixels):
            memory[at + j * dx + i * dc] = row[j * n + i]


@register_jitable
def _gather_weights(
    gathered, weights, y, x_start, x_stop,
    row_first, row_count, row_start, col_first, col_count, col_start,
):  # fmt: skip
    """gathered[x - x_start, p, q]: the weights of the windows of the outputs in row y."""
    k = weights.shape[0]
    for p in range(k):
        for q in range(k):
            for x in range(x_start, x_stop):
                gathered[x - x_start, p, q] = weights[p, q, y, x]


@register_jitable
def _gather_adjoint_weights(
    gathered, weights, y, x_start, x_stop,
    row_first, row_count, row_start, col_first, col_count, col_start,
):  # fmt: skip
    """gathered[x - x_start, i, j]: the weights of the output (y, x) in its source pixels' windows.

    In the adjoint the source pixels are those for which the weights were predicted.
    """
    h, w = weights.shape[2:]
    for i in range(row_count[y]):
        r = row_first[y] + i
        if r < 0 or r >= h:
            continue  # source rows beyond the map have no weights; the kernel skips them too
        plane = weights[y - row_start[r], :, r]
        for x in range(x_start, x_stop):
            for j in range(col_count[x]):
                s = col_first[x] + j
                gathered[x - x_start, i, j] = plane[x - col_start[s], s] if 0 <= s < w else 0


@cache
def weighted_sum_kernel(
    taps_per_pass: int, lane_offsets: tuple[int, ...], is_adjoint: bool, dtype: torch.dtype
):
    """The kernel of `reassemble`, or of `scatter` if it is the adjoint.

    Args:
        taps_per_pass: number of taps of a row that are summed in one pass.
        lane_offsets: start of each lane's window, relative to the first lane's.
        is_adjoint: whether weights belong to the source pixels, not to the outputs.
        dtype: float32 or float64.
    """
    row_sums, tap_sum = _row_sum_kernel(taps_per_pass, lane_offsets), _row_sum_kernel(1, (0,))
    gather = _gather_adjoint_weights if is_adjoint else _gather_weights
    lanes, step = len(lane_offsets), max(taps_per_pass, 1)

    def kernel(
        source, layout, weights, out, out_layout,
        row_first, row_count, row_start, col_first, col_count, col_start, fits_lanes,
        y_start, y_stop, x_start, x_stop,
    ):  # fmt: skip
        h, c, n = layout[4], layout[6], np.uintp(layout[6])
        left = col_first[x_start]
        width = col_first[x_stop - 1] + col_count[x_stop - 1] - left
        depth, widest = row_count[y_start:y_stop].max(), col_count[x_start:x_stop].max()
        ring = _aligned_empty(depth * width * c, source)
        line = _aligned_empty((x_stop - x_start) * c, source)
        gathered = np.empty((x_stop - x_start, depth, widest), source.dtype)
        flat, lane_step = gathered.reshape(-1), np.uintp(depth * widest)
        loaded = row_first[y_start]  # source rows before it are in the ring buffer
        for y in range(y_start, y_stop):
            stop = row_first[y] + row_count[y]
            for r in range(max(loaded, row_first[y]), stop):
                slot = r % depth * width * c
                _load_row(source, layout, r, left, width, ring[slot : slot + width * c])
            loaded = max(loaded, stop)
            gather(
                gathered, weights, y, x_start, x_stop,
                row_first, row_count, row_start, col_first, col_count, col_start,
            )  # fmt: skip
            line[:] = 0
            x = x_start
            while x < x_stop:
                to = np.uintp((x - x_start) * c)
                together = fits_lanes[x] and x + lanes <= x_stop
                whole = col_count[x] - col_count[x] % step if together else 0
                for r in range(row_first[y], stop):
                    if is_adjoint and (r < 0 or r >= h):
                        continue
                    at = np.uintp((r % depth * width + col_first[x] - left) * c)
                    w = np.uintp(((x - x_start) * depth + r - row_first[y]) * widest)
                    for t in range(0, whole, step):
                        i = np.uintp(t)
                        row_sums(ring, at + i * n, n, flat, w + i, lane_step, line, to)
                    for lane in range(lanes if together else 1):
                        at = np.uintp((r % depth * width + col_first[x + lane] - left) * c)
                        for t in range(whole, col_count[x]):
                            i = np.uintp(t)
                            tap_sum(ring, at + i * n, n, flat, w + i, lane_step, line, to)
                        w += lane_step
                        to += n
                    to = np.uintp((x - x_start) * c)
                x += lanes if together else 1
            _store_row(line, out, out_layout, y, x_start, x_stop - x_start)

    f = {torch.float32: "f4", torch.float64: "f8"}[dtype]
    tables = ", ".join(["i8[::1]"] * 6 + ["b1[::1]"] + ["i8"] * 4)
    name = _kernel_name("weighted_sum", taps_per_pass, lane_offsets, is_adjoint, f)
    signature = f"void({f}[::1], {LAYOUT_TYPE}, {f}[:,:,:,:], {f}[::1], {LAYOUT_TYPE}, {tables})"
    return _compile(kernel, name, signature)


@cache
def dot_product_kernel(k: int, lane_offsets: tuple[int, ...], dtype: torch.dtype):
    """The kernel of `correlate`.

    Args:
        k: side of the window.
        lane_offsets, dtype: as for `weighted_sum_kernel`.
    """
    row_dots, single_dots = _row_dot_kernel(k, lane_offsets), _row_dot_kernel(k, (0,))
    lanes = len(lane_offsets)

    def kernel(
        queries, query_layout, keys, key_layout, scores, row_first, col_first, fits_lanes,
        y_start, y_stop, x_start, x_stop,
    ):  # fmt: skip
        c, n = query_layout[6], np.uintp(query_layout[6])
        left, width = col_first[x_start], col_first[x_stop - 1] + k - col_first[x_start]
        loaded = row_first[y_start]
        ring = _aligned_empty(k * width * c, keys)
        line = _aligned_empty((x_stop - x_start) * c, keys)
        row_scores = np.empty((k, k, x_stop - x_start), keys.dtype)
        for y in range(y_start, y_stop):
            for r in range(max(loaded, row_first[y]), row_first[y] + k):
                slot = r % k * width * c
                _load_row(keys, key_layout, r, left, width, ring[slot : slot + width * c])
            loaded = row_first[y] + k
            _load_row(queries, query_layout, y, x_start, x_stop - x_start, line)
            x = x_start
            while x < x_stop:
                to = np.uintp((x - x_start) * c)
                together = fits_lanes[x] and x + lanes <= x_stop
                for p in range(k):
                    at = np.uintp(((row_first[y] + p) % k * width + col_first[x] - left) * c)
                    if together:
                        row_dots(ring, at, n, line, to, row_scores[p], x - x_start)
                    else:
                        single_dots(ring, at, n, line, to, row_scores[p], x - x_start)
                x += lanes if together else 1
            scores[:, :, y, x_start:x_stop] = row_scores

    f = {torch.float32: "f4", torch.float64: "f8"}[dtype]
    tables = ", ".join(["i8[::1]"] * 2 + ["b1[::1]"] + ["i8"] * 4)
    name = _kernel_name("dot_products", k, lane_offsets, f)
    signature = f"void({f}[::1], {LAYOUT_TYPE}, {f}[::1], {LAYOUT_TYPE}, {f}[:,:,:,:], {tables})"
    return _compile(kernel, name, signature)
