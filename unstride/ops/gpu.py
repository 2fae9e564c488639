"""The Triton kernels of CUDA devices.

A program computes a block of pixels by a block of channels and loops over the taps. Sums are
float32, or float64 for float64. `scatter` gathers: each input pixel sums over the outputs whose
windows contain it. So nothing is written twice, no atomics are needed, and the result is
deterministic.

Triton takes scalars, so each kernel has all sizes and strides as parameters. A stride is named
after its tensor and dimension: fb is that of `features` along the batch, wp of `weights` along the
rows of taps.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from unstride.ops.window import adjoint_windows, window_start

BLOCK_PIXELS, BLOCK_CHANNELS = 64, 32


@triton.jit
def _reassemble_kernel(
    features, weights, out, row_start, col_start, groups, c, h, w, H, W, k: tl.constexpr,
    fb, fc, fy, fx, wb, wg, wp, wq, wy, wx, ob, oc, oy, ox,
    BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr, ACC_TYPE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    channel = tl.program_id(1) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
    image = tl.program_id(2).to(tl.int64)  # offsets in a large batch exceed 2^31
    b, g = image // groups, image % groups
    y, x = pixel // W, pixel % W
    is_pixel, is_channel = pixel < H * W, channel < c
    top = tl.load(row_start + y, is_pixel, 0)
    left = tl.load(col_start + x, is_pixel, 0)
    source = features + b * fb + (g * c + channel)[:, None] * fc
    total = tl.zeros([BLOCK_CHANNELS, BLOCK_PIXELS], ACC_TYPE)
    for tap in range(k * k):
        p, q = tap // k, tap % k
        r, s = top + p, left + q
        inside = is_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)
        at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx
        weight = tl.load(at, is_pixel, 0).to(ACC_TYPE)
        value = tl.load(
            source + (r * fy + s * fx)[None, :], is_channel[:, None] & inside[None, :], 0
        )
        total += value.to(ACC_TYPE) * weight[None, :]
    to = out + b * ob + (g * c + channel)[:, None] * oc + (y * oy + x * ox)[None, :]
    tl.store(to, total.to(out.dtype.element_ty), is_channel[:, None] & is_pixel[None, :])


@triton.jit
def _scatter_kernel(
    values, weights, out, row_start, col_start, row_first, row_count, col_first, col_count,
    groups, c, h, w, H, W, max_rows, max_cols,
    vb, vc, vy, vx, wb, wg, wp, wq, wy, wx, ob, oc, oy, ox,
    BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr, ACC_TYPE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    channel = tl.program_id(1) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
    image = tl.program_id(2).to(tl.int64)  # offsets in a large batch exceed 2^31
    b, g = image // groups, image % groups
    i, j = pixel // w, pixel % w
    is_pixel, is_channel = pixel < h * w, channel < c
    y0, ny = tl.load(row_first + i, is_pixel, 0), tl.load(row_count + i, is_pixel, 0)
    x0, nx = tl.load(col_first + j, is_pixel, 0), tl.load(col_count + j, is_pixel, 0)
    source = values + b * vb + (g * c + channel)[:, None] * vc
    total = tl.zeros([BLOCK_CHANNELS, BLOCK_PIXELS], ACC_TYPE)
    for step in range(max_rows * max_cols):
        dy, dx = step // max_cols, step % max_cols
        y, x = y0 + dy, x0 + dx
        is_output = is_pixel & (dy < ny) & (dx < nx) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
        p, q = i - tl.load(row_start + y, is_output, 0), j - tl.load(col_start + x, is_output, 0)
        at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx
        weight = tl.load(at, is_output, 0).to(ACC_TYPE)
        value = tl.load(
            source + (y * vy + x * vx)[None, :], is_channel[:, None] & is_output[None, :], 0
        )
        total += value.to(ACC_TYPE) * weight[None, :]
    to = out + b * ob + (g * c + channel)[:, None] * oc + (i * oy + j * ox)[None, :]
    tl.store(to, total.to(out.dtype.element_ty), is_channel[:, None] & is_pixel[None, :])


@triton.jit
def _correlate_kernel(
    queries, keys, out, row_start, col_start, groups, c, h, w, H, W, k: tl.constexpr,
    qb, qc, qy, qx, kb, kc, ky, kx, ob, og, op, oq, oy, ox,
    BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr, ACC_TYPE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    p, q = tl.program_id(1) // k, tl.program_id(1) % k
    image = tl.program_id(2).to(tl.int64)  # offsets in a large batch exceed 2^31
    b, g = image // groups, image % groups
    y, x = pixel // W, pixel % W
    is_pixel = pixel < H * W
    r = tl.load(row_start + y, is_pixel, 0) + p
    s = tl.load(col_start + x, is_pixel, 0) + q
    inside = is_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)
    total = tl.zeros([BLOCK_PIXELS], ACC_TYPE)
    for first in range(0, c, BLOCK_CHANNELS):
        channel = first + tl.arange(0, BLOCK_CHANNELS)
        is_channel = (channel < c)[:, None]
        query = tl.load(
            queries + b * qb + (g * c + channel)[:, None] * qc + (y * qy + x * qx)[None, :],
            is_channel & is_pixel[None, :], 0,
        ).to(ACC_TYPE)  # fmt: skip
        key = tl.load(
            keys + b * kb + (g * c + channel)[:, None] * kc + (r * ky + s * kx)[None, :],
            is_channel & inside[None, :], 0,
        ).to(ACC_TYPE)  # fmt: skip
        total += tl.sum(query * key, 0)
    to = out + b * ob + g * og + p * op + q * oq + y * oy + x * ox
    tl.store(to, total.to(out.dtype.element_ty), is_pixel)


def reassemble_gpu(features: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `reassemble(features, weights)` to `out`, in any memory layout."""
    (b, channels, h, w), (g, k), (H, W) = features.shape, weights.shape[1:3], out.shape[2:]
    c = channels // g
    _reassemble_kernel[(triton.cdiv(H * W, BLOCK_PIXELS), triton.cdiv(c, BLOCK_CHANNELS), b * g)](
        features, weights, out, *_window_starts((h, w), (H, W), k, out.device), g, c, h, w, H, W, k,
        *features.stride(), *weights.stride(), *out.stride(),
        BLOCK_PIXELS=BLOCK_PIXELS, BLOCK_CHANNELS=BLOCK_CHANNELS, ACC_TYPE=_accumulator_type(out),
    )  # fmt: skip


def scatter_gpu(values: Tensor, weights: Tensor, out: Tensor) -> None:
    """Write `scatter(values, weights, out.shape[2:])` to `out`, in any memory layout."""
    (b, channels, H, W), (g, k), (h, w) = values.shape, weights.shape[1:3], out.shape[2:]
    c = channels // g
    rows, cols = adjoint_windows(h, H, k), adjoint_windows(w, W, k)
    tables = [t.int().to(out.device) for t in (*rows, *cols)]
    _scatter_kernel[(triton.cdiv(h * w, BLOCK_PIXELS), triton.cdiv(c, BLOCK_CHANNELS), b * g)](
        values, weights, out, *_window_starts((h, w), (H, W), k, out.device), *tables,
        g, c, h, w, H, W, int(rows[1].max()), int(cols[1].max()),
        *values.stride(), *weights.stride(), *out.stride(),
        BLOCK_PIXELS=BLOCK_PIXELS, BLOCK_CHANNELS=BLOCK_CHANNELS, ACC_TYPE=_accumulator_type(out),
    )  # fmt: skip


def correlate_gpu(queries: Tensor, keys: Tensor, out: Tensor) -> None:
    """Write `correlate(queries, keys, ...)` to `out`, "b g k k H W"."""
    (b, g, k, _, H, W), (channels, h, w) = out.shape, keys.shape[1:]
    tables, c = _window_starts((h, w), (H, W), k, out.device), channels // g
    _correlate_kernel[(triton.cdiv(H * W, BLOCK_PIXELS), k * k, b * g)](
        queries, keys, out, *tables, g, c, h, w, H, W, k,
        *queries.stride(), *keys.stride(), *out.stride(),
        BLOCK_PIXELS=BLOCK_PIXELS, BLOCK_CHANNELS=BLOCK_CHANNELS, ACC_TYPE=_accumulator_type(out),
    )  # fmt: skip


def _window_starts(input_size, output_size, k: int, device: torch.device) -> list[Tensor]:
    return [
        window_start(n, m, k, device).int() for n, m in zip(input_size, output_size, strict=True)
    ]


def _accumulator_type(out: Tensor):
    return tl.float64 if out.dtype == torch.float64 else tl.float32
