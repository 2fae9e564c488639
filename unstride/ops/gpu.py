"""The same letters in Triton.

A program computes a tile of pixels by a tile of channels and streams over the taps; the sums
are float32 (float64 for float64). `scatter` gathers: each input pixel asks which outputs hold
it, so nothing is written twice, no atomics are needed, and the result is deterministic.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from unstride.ops.window import adjoint_windows, window_start

BLOCK_PIXELS, BLOCK_CHANNELS = 64, 32  # of a tile


@triton.jit
def _reassemble_kernel(
    features, weights, out, row0, col0, groups, c, h, w, H, W, k: tl.constexpr,
    fb, fc, fy, fx, wb, wg, wp, wq, wy, wx, ob, oc, oy, ox,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    image = tl.program_id(2).to(tl.int64)  # offsets within a large batch pass 2^31
    b, g = image // groups, image % groups
    y, x = pixel // W, pixel % W
    some_pixel, some_channel = pixel < H * W, channel < c
    top = tl.load(row0 + y, some_pixel, 0)
    left = tl.load(col0 + x, some_pixel, 0)
    source = features + b * fb + (g * c + channel)[:, None] * fc
    total = tl.zeros([CHANNELS, PIXELS], SUM)
    for tap in range(k * k):
        p, q = tap // k, tap % k
        r, s = top + p, left + q
        inside = some_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)
        at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx
        weight = tl.load(at, some_pixel, 0).to(SUM)
        value = tl.load(
            source + (r * fy + s * fx)[None, :], some_channel[:, None] & inside[None, :], 0
        )
        total += value.to(SUM) * weight[None, :]
    to = out + b * ob + (g * c + channel)[:, None] * oc + (y * oy + x * ox)[None, :]
    tl.store(to, total.to(out.dtype.element_ty), some_channel[:, None] & some_pixel[None, :])


@triton.jit
def _scatter_kernel(
    values, weights, out, row0, col0, first_row, rows, first_col, cols,
    groups, c, h, w, H, W, max_rows, max_cols,
    vb, vc, vy, vx, wb, wg, wp, wq, wy, wx, ob, oc, oy, ox,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    image = tl.program_id(2).to(tl.int64)  # offsets within a large batch pass 2^31
    b, g = image // groups, image % groups
    i, j = pixel // w, pixel % w
    some_pixel, some_channel = pixel < h * w, channel < c
    y0, ny = tl.load(first_row + i, some_pixel, 0), tl.load(rows + i, some_pixel, 0)
    x0, nx = tl.load(first_col + j, some_pixel, 0), tl.load(cols + j, some_pixel, 0)
    source = values + b * vb + (g * c + channel)[:, None] * vc
    total = tl.zeros([CHANNELS, PIXELS], SUM)
    for step in range(max_rows * max_cols):
        dy, dx = step // max_cols, step % max_cols
        y, x = y0 + dy, x0 + dx
        holds = some_pixel & (dy < ny) & (dx < nx) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
        p, q = i - tl.load(row0 + y, holds, 0), j - tl.load(col0 + x, holds, 0)
        at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx
        weight = tl.load(at, holds, 0).to(SUM)
        value = tl.load(
            source + (y * vy + x * vx)[None, :], some_channel[:, None] & holds[None, :], 0
        )
        total += value.to(SUM) * weight[None, :]
    to = out + b * ob + (g * c + channel)[:, None] * oc + (i * oy + j * ox)[None, :]
    tl.store(to, total.to(out.dtype.element_ty), some_channel[:, None] & some_pixel[None, :])


@triton.jit
def _correlate_kernel(
    queries, keys, out, row0, col0, groups, c, h, w, H, W, k: tl.constexpr,
    qb, qc, qy, qx, kb, kc, ky, kx, ob, og, op, oq, oy, ox,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    p, q = tl.program_id(1) // k, tl.program_id(1) % k
    image = tl.program_id(2).to(tl.int64)  # offsets within a large batch pass 2^31
    b, g = image // groups, image % groups
    y, x = pixel // W, pixel % W
    some_pixel = pixel < H * W
    r = tl.load(row0 + y, some_pixel, 0) + p
    s = tl.load(col0 + x, some_pixel, 0) + q
    inside = some_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)
    total = tl.zeros([PIXELS], SUM)
    for first in range(0, c, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        some_channel = (channel < c)[:, None]
        query = tl.load(
            queries + b * qb + (g * c + channel)[:, None] * qc + (y * qy + x * qx)[None, :],
            some_channel & some_pixel[None, :], 0,
        ).to(SUM)  # fmt: skip
        key = tl.load(
            keys + b * kb + (g * c + channel)[:, None] * kc + (r * ky + s * kx)[None, :],
            some_channel & inside[None, :], 0,
        ).to(SUM)  # fmt: skip
        total += tl.sum(query * key, 0)
    to = out + b * ob + g * og + p * op + q * oq + y * oy + x * ox
    tl.store(to, total.to(out.dtype.element_ty), some_pixel)


def reassemble_gpu(features: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `reassemble(features, weights)` to `out`, of any layout."""
    (b, channels, h, w), (g, k), (H, W) = features.shape, weights.shape[1:3], out.shape[2:]
    c = channels // g
    _reassemble_kernel[(triton.cdiv(H * W, BLOCK_PIXELS), triton.cdiv(c, BLOCK_CHANNELS), b * g)](
        features, weights, out, *_window_starts((h, w), (H, W), k, out.device), g, c, h, w, H, W, k,
        *features.stride(), *weights.stride(), *out.stride(),
        PIXELS=BLOCK_PIXELS, CHANNELS=BLOCK_CHANNELS, SUM=_accumulator_type(out),
    )  # fmt: skip


def scatter_gpu(values: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `scatter(values, weights, out.shape[2:])` to `out`, of any layout."""
    (b, channels, H, W), (g, k), (h, w) = values.shape, weights.shape[1:3], out.shape[2:]
    c = channels // g
    rows, cols = adjoint_windows(h, H, k), adjoint_windows(w, W, k)
    tables = [t.int().to(out.device) for t in (*rows, *cols)]
    _scatter_kernel[(triton.cdiv(h * w, BLOCK_PIXELS), triton.cdiv(c, BLOCK_CHANNELS), b * g)](
        values, weights, out, *_window_starts((h, w), (H, W), k, out.device), *tables,
        g, c, h, w, H, W, int(rows[1].max()), int(cols[1].max()),
        *values.stride(), *weights.stride(), *out.stride(),
        PIXELS=BLOCK_PIXELS, CHANNELS=BLOCK_CHANNELS, SUM=_accumulator_type(out),
    )  # fmt: skip


def correlate_gpu(queries: Tensor, keys: Tensor, out: Tensor) -> None:
    """Write `correlate(queries, keys, ...)` to `out`, "b g k k H W"."""
    (b, g, k, _, H, W), (channels, h, w) = out.shape, keys.shape[1:]
    tables, c = _window_starts((h, w), (H, W), k, out.device), channels // g
    _correlate_kernel[(triton.cdiv(H * W, BLOCK_PIXELS), k * k, b * g)](
        queries, keys, out, *tables, g, c, h, w, H, W, k,
        *queries.stride(), *keys.stride(), *out.stride(),
        PIXELS=BLOCK_PIXELS, CHANNELS=BLOCK_CHANNELS, SUM=_accumulator_type(out),
    )  # fmt: skip


def _window_starts(inputs, outputs, k: int, device: torch.device) -> list[Tensor]:
    return [window_start(n, m, k, device).int() for n, m in zip(inputs, outputs, strict=True)]


def _accumulator_type(out: Tensor):
    return tl.float64 if out.dtype == torch.float64 else tl.float32
