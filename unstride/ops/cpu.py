"""The three operations on the CPU, in Numba.

A job is a strip of output rows of one image and one block of channels. The source rows that
its windows need are staged in a ring: channels last, aligned, zero beyond the border. So the
inner loops know neither layout nor border, and no intermediate outgrows the cache.

`reassemble` and `scatter` are one kernel, a weighted sum over a rectangle of staged pixels;
they differ in where a weight is found. LANES neighbouring outputs are computed together:
their windows overlap, and what they share is loaded once.

Threads are Python's (jobs.py), never Numba's: `parallel=True` breaks forked DataLoader
workers and threaded servers. A kernel is compiled when its window is first met, then cached.
"""

from collections.abc import Callable
from functools import lru_cache

import numba
import numpy as np
import torch
from numba.extending import register_jitable
from torch import Tensor

from unstride.ops.jobs import LANES, Axis, areas, holders, run, windows

CHANNELS = 512  # channels of one job, at most
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}  # not "nnan", "ninf": NaN passes through


def reassemble_cpu(features: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `reassemble(features, weights)` to `out`, of any layout."""
    (h, w), (H, W), k = features.shape[2:], out.shape[2:], weights.shape[2]
    _weighted_sums(features, weights, out, windows(h, H, k), windows(w, W, k), adjoint=False)


def scatter_cpu(values: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `scatter(values, weights, out.shape[2:])` to `out`, of any layout."""
    (h, w), (H, W), k = out.shape[2:], values.shape[2:], weights.shape[2]
    _weighted_sums(values, weights, out, holders(h, H, k), holders(w, W, k), adjoint=True)


def _weighted_sums(source, weights, out, rows: Axis, cols: Axis, *, adjoint: bool) -> None:
    if out.numel() == 0:
        return
    (b, g, k), taps = weights.shape[:3], weights.numpy()
    s, o = _by_group(source, g), _by_group(out, g)
    c = s.shape[-1]
    blocks = [slice(i, i + CHANNELS) for i in range(0, c, CHANNELS)]
    column = int(rows.count.max()) * min(c, CHANNELS) * out.element_size()
    kernel = _weighted_sum(cols.span, cols.starts, adjoint, out.dtype)
    tables = rows.first, rows.count, rows.start, cols.first, cols.count, cols.start, cols.fits
    jobs = [
        (kernel, s[i, j, ..., block], taps[i, j], o[i, j, ..., block], *tables, *area)
        for i in range(b)
        for j in range(g)
        for block in blocks
        for area in areas(rows, cols, column, b * g * len(blocks))
    ]
    run(jobs, k * k * max(source.numel(), out.numel()))


def correlate_cpu(queries: Tensor, keys: Tensor, out: Tensor) -> None:
    """Write `correlate(queries, keys, ...)` to `out`, contiguous "b g k k H W"."""
    if out.numel() == 0:
        return
    (b, g, k, _, H, W), (h, w) = out.shape, keys.shape[2:]
    rows, cols = windows(h, H, k), windows(w, W, k)
    q, s, scores = _by_group(queries, g), _by_group(keys, g), out.numpy()
    column = k * s.shape[-1] * out.element_size()
    kernel = _dot_products(k, cols.starts, out.dtype)
    tables = rows.first, cols.first, cols.fits
    jobs = [
        (kernel, q[i, j], s[i, j], scores[i, j], *tables, *area)
        for i in range(b)
        for j in range(g)
        for area in areas(rows, cols, column, b * g)
    ]
    run(jobs, out.numel() * s.shape[-1])


def _by_group(tensor: Tensor, groups: int) -> np.ndarray:
    """A view "b g h w c", whatever the layout."""
    grouped = tensor.unflatten(1, (groups, tensor.shape[1] // groups))
    return grouped.permute(0, 1, 3, 4, 2).numpy()


def _compile(kernel: Callable, signature: str) -> Callable:
    options = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy"}
    try:
        return numba.njit(signature, cache=True, **options)(kernel)
    except RuntimeError:  # nowhere to write a cache: compile for this process alone
        return numba.njit(signature, **options)(kernel)


def _written_out(lines: list[str]) -> Callable:
    """A function from its lines: LLVM vectorises over channels only what is written out."""
    scope: dict = {"n": np.uintp}
    exec(compile("\n ".join(lines), __file__, "exec"), scope)
    return register_jitable(next(f for name, f in scope.items() if name.startswith("row_")))


@lru_cache
def _row_sums(span: int, starts: tuple[int, ...]) -> Callable:
    """sums[lane] += the weighted sum over one row of the window: one pass, all lanes."""
    lanes, reach = range(len(starts)), range(max(starts) + span)
    return _written_out(
        ["def row_sums(source, at, c, weights, sums, to):"]
        + [f"w{j}_{t} = weights[{t * len(starts) + j}]" for j in lanes for t in range(span)]
        + [f"at{t} = at + n({t}) * c" for t in reach]
        + [f"to{j} = to + n({j}) * c" for j in lanes]
        + ["for i in range(c):"]
        + [f" f{t} = source[at{t} + i]" for t in reach]
        + [
            f" sums[to{j} + i] += " + " + ".join(f"w{j}_{t} * f{s + t}" for t in range(span))
            for j, s in enumerate(starts)
            if span
        ]
        + [" pass"]
    )


@lru_cache
def _row_dots(span: int, starts: tuple[int, ...]) -> Callable:
    """scores[tap, lane] = query[lane] . source over one row of the window, all lanes at once."""
    lanes, reach = range(len(starts)), range(max(starts) + span)
    pairs = [(j, t) for j in lanes for t in range(span)]
    return _written_out(
        ["def row_dots(source, at, c, queries, to, scores, x):"]
        + [f"at{t} = at + n({t}) * c" for t in reach]
        + [f"to{j} = to + n({j}) * c" for j in lanes]
        + [f"d{j}_{t} = scores.dtype.type(0)" for j, t in pairs]
        + ["for i in range(c):"]
        + [f" f{t} = source[at{t} + i]" for t in reach]
        + [f" q{j} = queries[to{j} + i]" for j in lanes]
        + [f" d{j}_{t} += q{j} * f{starts[j] + t}" for j, t in pairs]
        + [f"scores[{t}, x + {j}] = d{j}_{t}" for j, t in pairs]
    )


@register_jitable
def _aligned(size, like):
    """Fresh memory on a cache line: a vector that straddles two lines costs two loads."""
    memory = np.empty(size + 64, like.dtype)
    skip = (-memory.ctypes.data % 64) // memory.itemsize
    return memory[skip : skip + size]


@register_jitable
def _stage(image, y, x, width, row):
    """Copy pixels x ... x + width - 1 of row y to `row`, channels last, zero off the map."""
    h, w, c = image.shape
    row[:] = 0
    if y < 0 or y >= h:
        return
    low, high = max(x, 0), min(x + width, w)
    if image.strides[2] == image.itemsize:
        for j in range(low, high):
            row[(j - x) * c : (j - x + 1) * c] = image[y, j]
        return
    for block in range(0, c, 8):
        for j in range(low, high):
            for i in range(block, min(block + 8, c)):
                row[(j - x) * c + i] = image[y, j, i]


@register_jitable
def _unstage(row, image, y, x, width):
    """Copy `row`, channels last, to pixels x ... x + width - 1 of row y."""
    c = image.shape[2]
    if image.strides[2] == image.itemsize:
        for j in range(width):
            image[y, x + j] = row[j * c : (j + 1) * c]
        return
    for block in range(0, c, 8):
        for j in range(width):
            for i in range(block, min(block + 8, c)):
                image[y, x + j, i] = row[j * c + i]



@register_jitable
def _weight_of(weights, y, x, r, s, row_start, col_start):
    """The weight with which output (y, x) takes source pixel (r, s)."""
    return weights[r - row_start[y], s - col_start[x], y, x]


@register_jitable
def _weight_onto(weights, y, x, r, s, row_start, col_start):
    """The weight with which (y, x), now the output, was taken by source pixel (r, s)."""
    if r < 0 or r >= weights.shape[2] or s < 0 or s >= weights.shape[3]:
        return weights.dtype.type(0)
    return weights[y - row_start[r], x - col_start[s], r, s]


@lru_cache(maxsize=None)
def _weighted_sum(span: int, starts: tuple[int, ...], adjoint: bool, dtype: torch.dtype):
    row_sums, tap_sum = _row_sums(span, starts), _row_sums(1, (0,))
    weight = _weight_onto if adjoint else _weight_of
    lanes = len(starts)

    def kernel(image, weights, out, row0, rows, row_start, col0, cols, col_start, fits, ya, yb, xa, xb):
        c, n = image.shape[2], np.uintp(image.shape[2])
        left, width = col0[xa], col0[xb - 1] + cols[xb - 1] - col0[xa]
        depth, staged = rows[ya:yb].max(), row0[ya]
        ring = _aligned(depth * width * c, image)
        line = _aligned((xb - xa) * c, image)
        taps = np.empty(max(span, 1) * lanes, image.dtype)
        for y in range(ya, yb):
            end = row0[y] + rows[y]
            for r in range(max(staged, row0[y]), end):
                slot = r % depth * width * c
                _stage(image, r, left, width, ring[slot : slot + width * c])
            staged = max(staged, end)
            line[:] = 0
            x = xa
            while x < xb:
                to = np.uintp((x - xa) * c)
                together = fits[x] and x + lanes <= xb
                for r in range(row0[y], end):
                    at = np.uintp((r % depth * width + col0[x] - left) * c)
                    if together:
                        for t in range(span):
                            for j in range(lanes):
                                s = col0[x + j] + t
                                taps[t * lanes + j] = weight(weights, y, x + j, r, s, row_start, col_start)
                        row_sums(ring, at, n, taps, line, to)
                    else:
                        for t in range(cols[x]):
                            taps[0] = weight(weights, y, x, r, col0[x] + t, row_start, col_start)
                            tap_sum(ring, at + np.uintp(t) * n, n, taps, line, to)
                x += lanes if together else 1
            _unstage(line, out, y, xa, xb - xa)

    f = {torch.float32: "f4", torch.float64: "f8"}[dtype]
    tables = ", ".join(["i8[::1]"] * 6 + ["b1[::1]"] + ["i8"] * 4)
    return _compile(kernel, f"void({f}[:,:,:], {f}[:,:,:,:], {f}[:,:,:], {tables})")


@lru_cache(maxsize=None)
def _dot_products(k: int, starts: tuple[int, ...], dtype: torch.dtype):
    row_dots, row_dot = _row_dots(k, starts), _row_dots(k, (0,))
    lanes = len(starts)

    def kernel(queries, keys, scores, row0, col0, fits, ya, yb, xa, xb):
        c, n = keys.shape[2], np.uintp(keys.shape[2])
        left, width = col0[xa], col0[xb - 1] + k - col0[xa]
        staged = row0[ya]
        ring = _aligned(k * width * c, keys)
        line = _aligned((xb - xa) * c, keys)
        found = np.empty((k, k, xb - xa), keys.dtype)
        for y in range(ya, yb):
            for r in range(max(staged, row0[y]), row0[y] + k):
                slot = r % k * width * c
                _stage(keys, r, left, width, ring[slot : slot + width * c])
            staged = row0[y] + k
            _stage(queries, y, xa, xb - xa, line)
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
    return _compile(kernel, f"void({f}[:,:,:], {f}[:,:,:], {f}[:,:,:,:], {tables})")
