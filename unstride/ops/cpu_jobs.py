"""The three operations on the CPU: splits the work into jobs for the Numba kernels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unstride.ops.cpu import dot_product_kernel, weighted_sum_kernel
from unstride.ops.cpu_threads import run_jobs
from unstride.ops.source_ranges import SourceRanges, adjoint_ranges, window_ranges

# Multiply-adds below which one general kernel serves all windows: a kernel for the very window is
# faster, but compiling it takes seconds where the sum itself takes a fraction of a millisecond.
SMALL_WORK = 250_000
ONE_TAP, ONE_LANE = 1, (0,)
MAX_JOB_CHANNELS = 512  # channels of one job, at most
RING_BUFFER_BYTES = 3 << 17  # 384 KiB: with the row being written, it fits into a core's L2 cache


def reassemble_cpu(features: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `reassemble(features, weights)` to `out`, in any memory layout."""
    (h, w), (H, W), k = features.shape[2:], out.shape[2:], weights.shape[2]
    rows, cols = window_ranges(h, H, k), window_ranges(w, W, k)
    _run_weighted_sum(features, weights, out, rows, cols, is_adjoint=False)


def scatter_cpu(values: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `scatter(values, weights, out.shape[2:])` to `out`, in any memory layout."""
    (h, w), (H, W), k = out.shape[2:], values.shape[2:], weights.shape[2]
    rows, cols = adjoint_ranges(h, H, k), adjoint_ranges(w, W, k)
    _run_weighted_sum(values, weights, out, rows, cols, is_adjoint=True)


def _run_weighted_sum(
    source: Tensor,
    weights: Tensor,
    out: Tensor,
    rows: SourceRanges,
    cols: SourceRanges,
    *,
    is_adjoint: bool,
) -> None:
    if out.numel() == 0:
        return
    (b, g, k), w, c = weights.shape[:3], weights.numpy(), out.shape[1] // weights.shape[1]
    column_bytes = int(rows.count.max()) * min(c, MAX_JOB_CHANNELS) * out.element_size()
    n_parts = b * g * -(-c // MAX_JOB_CHANNELS)
    tiles = output_tiles(rows, cols, column_bytes, n_parts)
    work = k * k * max(source.numel(), out.numel())
    taps_and_lanes = cols.taps_per_pass, cols.lane_offsets
    if work < SMALL_WORK:
        taps_and_lanes = ONE_TAP, ONE_LANE
    kernel = weighted_sum_kernel(*taps_and_lanes, is_adjoint, out.dtype)
    tables = (
        rows.first, rows.count, rows.window_start,
        cols.first, cols.count, cols.window_start, cols.fits_lanes,
    )  # fmt: skip
    source_memory, out_memory = _flat_memory(source), _flat_memory(out)
    jobs = [
        (
            kernel, source_memory, source_layout, w[i, j],
            out_memory, _strided_layout(out, i, channels), *tables, *tile,
        )
        for i in range(b)
        for j in range(g)
        for channels in _channel_blocks(j * c, (j + 1) * c)
        for source_layout in [_strided_layout(source, i, channels)]
        for tile in tiles
    ]  # fmt: skip
    run_jobs(jobs, work)


def correlate_cpu(queries: Tensor, keys: Tensor, out: Tensor) -> None:
    """Write `correlate(queries, keys, ...)` to `out`, contiguous "b g k k H W"."""
    if out.numel() == 0:
        return
    (b, g, k, _, H, W), (h, w), c = out.shape, keys.shape[2:], keys.shape[1] // out.shape[1]
    rows, cols, scores = window_ranges(h, H, k), window_ranges(w, W, k), out.numpy()
    tiles = output_tiles(rows, cols, k * c * out.element_size(), b * g)
    work = out.numel() * c
    lanes = ONE_LANE if work < SMALL_WORK else cols.lane_offsets
    kernel = dot_product_kernel(k, lanes, out.dtype)
    tables = rows.first, cols.first, cols.fits_lanes
    query_memory, key_memory = _flat_memory(queries), _flat_memory(keys)
    jobs = [
        (
            kernel, query_memory, query_layout,
            key_memory, _strided_layout(keys, i, channels), scores[i, j], *tables, *tile,
        )
        for i in range(b)
        for j in range(g)
        for channels in [range(j * c, (j + 1) * c)]
        for query_layout in [_strided_layout(queries, i, channels)]
        for tile in tiles
    ]  # fmt: skip
    run_jobs(jobs, work)


def _channel_blocks(start: int, stop: int) -> list[range]:
    return [range(i, min(i + MAX_JOB_CHANNELS, stop)) for i in range(start, stop, MAX_JOB_CHANNELS)]


def _flat_memory(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor as a one-dimensional array, whose stride Numba knows to be 1."""
    reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.as_strided((reach + 1 if tensor.numel() else 0,), (1,)).numpy()


def _strided_layout(tensor: Tensor, image: int, channels: range) -> tuple[int, ...]:
    """Where some channels of an image lie in that array: first element, steps, sizes."""
    step_b, step_c, step_y, step_x = tensor.stride()
    first = image * step_b + channels.start * step_c
    return first, step_y, step_x, step_c, *tensor.shape[2:], len(channels)


def output_tiles(
    rows: SourceRanges, cols: SourceRanges, bytes_per_column: int, n_parts: int
) -> list[tuple[int, ...]]:
    """Split the output into tiles (y_start, y_stop, x_start, x_stop), one for each job.

    The ring buffer of a tile fits into RING_BUFFER_BYTES.

    Args:
        rows, cols: the output's axes.
        bytes_per_column: bytes of the ring buffer for each source column.
        n_parts: number of parts into which the work is split already.
    """
    H, W = len(rows.first), len(cols.first)
    columns = max(RING_BUFFER_BYTES // max(bytes_per_column, 1) - int(cols.count.max()), 1)
    reach = max(int(cols.first[-1] - cols.first[0]), 1)
    lanes = len(cols.lane_offsets)
    tile_width = max(columns * W // reach // lanes * lanes, lanes)
    bands = max(8 * torch.get_num_threads() // (n_parts * -(-W // tile_width)), 1)
    tile_height = -(-H // bands)
    return [
        (y, min(y + tile_height, H), x, min(x + tile_width, W))
        for y in range(0, H, tile_height)
        for x in range(0, W, tile_width)
    ]
