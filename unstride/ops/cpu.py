"""The same letters in Numba: what one job of the CPU does (jobs.py cuts the work).

A job is a strip of output rows of one image and one block of channels. The source rows that
its windows need are staged in a ring: channels last, aligned, zero beyond the border. So the
inner loops know neither layout nor border, and no intermediate outgrows the cache.

`reassemble` and `scatter` are one kernel, a weighted sum over a rectangle of staged pixels;
they differ in where a weight is found. Neighbouring outputs, lanes, are computed together:
their windows overlap, and what they share is loaded once.

Threads are Python's, never Numba's: `parallel=True` breaks forked DataLoader
workers and threaded servers. A kernel is compiled when its window is first met, then cached.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache

import numba
import numpy as np
import torch
from numba.extending import register_jitable

LAYOUT_TYPE = "UniTuple(i8, 7)"  # first element, steps of row, column and channel, h, w, c
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}  # not "nnan", "ninf": NaN passes through


def _compile(kernel: Callable, name: str, signature: str) -> Callable:
    kernel.__name__ = kernel.__qualname__ = name
    options = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy"}
    try:
        return numba.njit(signature, cache=True, **options)(kernel)
    except RuntimeError:  # nowhere to write a cache: compile for this process alone
        return numba.njit(signature, **options)(kernel)


def _kernel_name(*parts: object) -> str:
    """A name that says all that distinguishes a kernel.

    Compiled code is found by name when it comes from a cache, and numba's own numbers are
    unique within one process only: two kernels of one name, compiled by two processes, would be
    taken for each other.
    """
    return re.sub(r"\W+", "_", "_".join(map(str, parts)))


def _unrolled_function(name: str, arguments: str, lines: list[str]) -> Callable:
    """A function from its lines: LLVM vectorises over channels only what is written out."""
    scope: dict = {"n": np.uintp}
    source = "\n ".join([f"def {name}({arguments}):", *lines])
    exec(compile(source, __file__, "exec"), scope)
    return register_jitable(scope[name])


@lru_cache
def _row_sum_kernel(span: int, starts: tuple[int, ...]) -> Callable:
    """sums[lane] += the weighted sum over one row of the window: one pass, all lanes."""
    lanes, reach = range(len(starts)), range(max(starts) + span)
    return _unrolled_function(
        _kernel_name("row_sums", span, starts),
        "source, at, c, weights, first, lane_step, sums, to",
        [
            f"w{j}_{t} = weights[first + n({j}) * lane_step + n({t})]"
            for j in lanes
            for t in range(span)
        ]
        + [f"at{t} = at + n({t}) * c" for t in reach]
        + [f"to{j} = to + n({j}) * c" for j in lanes]
        + ["for i in range(c):"]
        + [f" f{t} = source[at{t} + i]" for t in reach]
        + [
            f" sums[to{j} + i] += " + " + ".join(f"w{j}_{t} * f{s + t}" for t in range(span))
            for j, s in enumerate(starts)
            if span
        ]
        + [" pass"],
    )


@lru_cache
def _row_dot_kernel(span: int, starts: tuple[int, ...]) -> Callable:
    """scores[tap, lane] = query[lane] . source over one row of the window, all lanes at once."""
    lanes, reach = range(len(starts)), range(max(starts) + span)
    pairs = [(j, t) for j in lanes for t in range(span)]
    return _unrolled_function(
        _kernel_name("row_dots", span, starts),
        "source, at, c, queries, to, scores, x",
        [f"at{t} = at + n({t}) * c" for t in reach]
        + [f"to{j} = to + n({j}) * c" for j in lanes]
        + [f"d{j}_{t} = scores.dtype.type(0)" for j, t in pairs]
        + ["for i in range(c):"]
        + [f" f{t} = source[at{t} + i]" for t in reach]
        + [f" q{j} = queries[to{j} + i]" for j in lanes]
        + [f" d{j}_{t} += q{j} * f{starts[j] + t}" for j, t in pairs]
        + [f"scores[{t}, x + {j}] = d{j}_{t}" for j, t in pairs],
    )


@register_jitable
def _aligned_empty(size, like):
    """Fresh memory on a cache line: a vector that straddles two lines costs two loads."""
    memory = np.empty(size + 64, like.dtype)
    skip = (-memory.ctypes.data % 64) // memory.itemsize
    return memory[skip : skip + size]


@register_jitable
def _load_row(memory, plan, y, x, width, row):
    """Copy pixels x ... x + width - 1 of row y to `row`, channels last, zero off the map."""
    first, step_y, step_x, step_c, h, w, c = plan
    row[:] = 0
    if y < 0 or y >= h:
        return
    low, n, eights = max(x, 0), np.uintp(c), np.uintp(c - c % 8)
    pixels = np.uintp(max(min(x + width, w) - low, 0))
    to, at = np.uintp((low - x) * c), np.uintp(first + y * step_y + low * step_x)
    dx, dc = np.uintp(step_x), np.uintp(step_c)
    if step_c == 1:
        for j in range(pixels):
            for i in range(n):
                row[to + j * n + i] = memory[at + j * dx + i]
        return
    # Channels are moved by eights, so that no cache line of `row` is met twice.
    for block in range(np.uintp(0), eights, np.uintp(8)):
        for j in range(pixels):
            for i in range(np.uintp(8)):
                row[to + j * n + block + i] = memory[at + j * dx + (block + i) * dc]
    for i in range(eights, n):
        for j in range(pixels):
            row[to + j * n + i] = memory[at + j * dx + i * dc]


@register_jitable
def _store_row(row, memory, plan, y, x, width):
    """Copy `row`, channels last, to pixels x ... x + width - 1 of row y."""
    first, step_y, step_x, step_c, _, _, c = plan
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
def _gather_weights(found, weights, y, xa, xb, row0, rows, row_start, col0, cols, col_start):
    """found[x - xa, p, q]: the weights with which the outputs of row y take their windows."""
    k = weights.shape[0]
    for p in range(k):
        for q in range(k):
            for x in range(xa, xb):
                found[x - xa, p, q] = weights[p, q, y, x]


@register_jitable
def _gather_adjoint_weights(
    found, weights, y, xa, xb, row0, rows, row_start, col0, cols, col_start
):
    """found[x - xa, i, j]: the weights with which source pixels took (y, x), now the outputs."""
    h, w = weights.shape[2:]
    for i in range(rows[y]):
        r = row0[y] + i
        if r < 0 or r >= h:
            continue  # no weight leads beyond the map, and none is asked for
        plane = weights[y - row_start[r], :, r]
        for x in range(xa, xb):
            for j in range(cols[x]):
                s = col0[x] + j
                found[x - xa, i, j] = plane[x - col_start[s], s] if 0 <= s < w else 0


@cache
def weighted_sum_kernel(piece: int, starts: tuple[int, ...], adjoint: bool, dtype: torch.dtype):
    """The kernel of `reassemble`, or, adjoint, of `scatter`, for windows that lanes share so.

    Args:
        piece: taps of a row that are summed in one pass.
        starts: how far each lane's window begins from the first lane's.
        adjoint: weights belong to the source pixels, not to the outputs.
        dtype: float32 or float64.
    """
    row_sums, tap_sum = _row_sum_kernel(piece, starts), _row_sum_kernel(1, (0,))
    collect = _gather_adjoint_weights if adjoint else _gather_weights
    lanes, step = len(starts), max(piece, 1)

    def kernel(
        source,
        plan,
        weights,
        out,
        out_plan,
        row0,
        rows,
        row_start,
        col0,
        cols,
        col_start,
        fits,
        ya,
        yb,
        xa,
        xb,
    ):
        h, c, n = plan[4], plan[6], np.uintp(plan[6])
        left, width = col0[xa], col0[xb - 1] + cols[xb - 1] - col0[xa]
        depth, widest, staged = rows[ya:yb].max(), cols[xa:xb].max(), row0[ya]
        ring = _aligned_empty(depth * width * c, source)
        line = _aligned_empty((xb - xa) * c, source)
        found = np.empty((xb - xa, depth, widest), source.dtype)
        flat, lane_step = found.reshape(-1), np.uintp(depth * widest)
        for y in range(ya, yb):
            end = row0[y] + rows[y]
            for r in range(max(staged, row0[y]), end):
                slot = r % depth * width * c
                _load_row(source, plan, r, left, width, ring[slot : slot + width * c])
            staged = max(staged, end)
            collect(found, weights, y, xa, xb, row0, rows, row_start, col0, cols, col_start)
            line[:] = 0
            x = xa
            while x < xb:
                to = np.uintp((x - xa) * c)
                together = fits[x] and x + lanes <= xb
                whole = cols[x] - cols[x] % step if together else 0
                for r in range(row0[y], end):
                    if adjoint and (r < 0 or r >= h):
                        continue
                    at = np.uintp((r % depth * width + col0[x] - left) * c)
                    w = np.uintp(((x - xa) * depth + r - row0[y]) * widest)
                    for t in range(0, whole, step):
                        row_sums(
                            ring,
                            at + np.uintp(t) * n,
                            n,
                            flat,
                            w + np.uintp(t),
                            lane_step,
                            line,
                            to,
                        )
                    for lane in range(lanes if together else 1):
                        at = np.uintp((r % depth * width + col0[x + lane] - left) * c)
                        for t in range(whole, cols[x]):
                            tap_sum(
                                ring,
                                at + np.uintp(t) * n,
                                n,
                                flat,
                                w + np.uintp(t),
                                lane_step,
                                line,
                                to,
                            )
                        w += lane_step
                        to += n
                    to = np.uintp((x - xa) * c)
                x += lanes if together else 1
            _store_row(line, out, out_plan, y, xa, xb - xa)

    f = {torch.float32: "f4", torch.float64: "f8"}[dtype]
    tables = ", ".join(["i8[::1]"] * 6 + ["b1[::1]"] + ["i8"] * 4)
    name = _kernel_name("weighted_sum", piece, starts, adjoint, f)
    signature = f"void({f}[::1], {LAYOUT_TYPE}, {f}[:,:,:,:], {f}[::1], {LAYOUT_TYPE}, {tables})"
    return _compile(kernel, name, signature)


@cache
def dot_product_kernel(k: int, starts: tuple[int, ...], dtype: torch.dtype):
    """The kernel of `correlate`; arguments as of `weighted_sum_kernel`."""
    row_dots, row_dot = _row_dot_kernel(k, starts), _row_dot_kernel(k, (0,))
    lanes = len(starts)

    def kernel(queries, plan, keys, key_plan, scores, row0, col0, fits, ya, yb, xa, xb):
        c, n = plan[6], np.uintp(plan[6])
        left, width = col0[xa], col0[xb - 1] + k - col0[xa]
        staged = row0[ya]
        ring = _aligned_empty(k * width * c, keys)
        line = _aligned_empty((xb - xa) * c, keys)
        found = np.empty((k, k, xb - xa), keys.dtype)
        for y in range(ya, yb):
            for r in range(max(staged, row0[y]), row0[y] + k):
                slot = r % k * width * c
                _load_row(keys, key_plan, r, left, width, ring[slot : slot + width * c])
            staged = row0[y] + k
            _load_row(queries, plan, y, xa, xb - xa, line)
            x = xa
            while x < xb:
                to = np.uintp((x - xa) * c)
                together = fits[x] and x + lanes <= xb
                for p in range(k):
                    at = np.uintp(((row0[y] + p) % k * width + col0[x] - left) * c)
                    if together:
                        row_dots(ring, at, n, line, to, found[p], x - xa)
                    else:
                        row_dot(ring, at, n, line, to, found[p], x - xa)
                x += lanes if together else 1
            scores[:, :, y, xa:xb] = found

    f = {torch.float32: "f4", torch.float64: "f8"}[dtype]
    tables = ", ".join(["i8[::1]"] * 2 + ["b1[::1]"] + ["i8"] * 4)
    name = _kernel_name("dot_products", k, starts, f)
    signature = f"void({f}[::1], {LAYOUT_TYPE}, {f}[::1], {LAYOUT_TYPE}, {f}[:,:,:,:], {tables})"
    return _compile(kernel, name, signature)
