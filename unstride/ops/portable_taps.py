"""The taps of windows in standard PyTorch operators: as slices, gathered rows, or matrices."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from unstride.ops.exporting import whole_ratio
from unstride.ops.window import window_start

LARGEST_REPEAT = 40  # at some larger ratios torch's nearest resize rounds to the wrong pixel


def sliced_taps(
    source: Float[Tensor, "b c h w"], height: int, width: int, k: int
) -> list[Float[Tensor, "b c H W"]] | None:
    """Each tap under every output pixel, row by row of the window; None if ratios are not whole."""
    axes = [_axis_slices(n, m, k) for n, m in zip(source.shape[2:], (height, width), strict=True)]
    rows, columns = axes
    if rows is None or columns is None:
        return None
    padded = repeat_pixels(pad(source, (k // 2,) * 4), rows[0], columns[0])
    by_row = [_cut(padded, 2, *bounds) for bounds in rows[1]]
    return [_cut(row, 3, *bounds) for row in by_row for bounds in columns[1]]


def repeat_pixels(
    maps: Float[Tensor, "b c h w"], rows: int, columns: int
) -> Float[Tensor, "b c H W"]:
    """Repeat each pixel `rows` times down and `columns` times across, up to 40 times each."""
    if rows == columns == 1:
        return maps
    assert max(rows, columns) <= LARGEST_REPEAT
    size = maps.shape[2] * rows, maps.shape[3] * columns
    return interpolate(maps, size, mode="nearest")


def window_rows(
    source: Float[Tensor, "b c h w"], height: int, width: int, k: int
) -> list[Float[Tensor, "b c H W k"]]:
    """For each row of the window, its k taps under every output pixel."""
    h, w = source.shape[2:]
    padded = pad(source, (k // 2,) * 4)
    first = window_start(h, height, k, source.device).to(torch.int32) + k // 2
    columns = (_taps(w, width, k, source) + k // 2).to(torch.int32)
    wide = padded.index_select(3, columns.flatten()).unflatten(3, (width, k))
    return [wide.index_select(2, first + p) for p in range(k)]


def tap_matrix(n_in: int, n_out: int, k: int, like: Tensor) -> Float[Tensor, "m k n"]:
    """One where an output's tap, along one axis, is an input; zero elsewhere."""
    taps = _taps(n_in, n_out, k, like)
    return (taps[:, :, None] == torch.arange(n_in, device=like.device)).to(like.dtype)


def _taps(n_in: int, n_out: int, k: int, like: Tensor) -> Tensor:
    """The input index of each output's taps along one axis, on the map or beyond it."""
    return window_start(n_in, n_out, k, like.device)[:, None] + torch.arange(k, device=like.device)


def _cut(maps: Tensor, dim: int, start: int, span: int, step: int) -> Tensor:
    piece = maps.narrow(dim, start, span)  # a single node, unlike indexing
    return piece if step == 1 else torch.ops.aten.slice(piece, dim, 0, None, step)


def _axis_slices(n_in: int, n_out: int, k: int) -> tuple[int, list[tuple[int, int, int]]] | None:
    """How often the padded inputs are repeated along an axis; start, span and step of each tap."""
    repeat = whole_ratio(n_out, n_in)
    if repeat is not None and repeat <= LARGEST_REPEAT:
        return repeat, [(p * repeat, n_out, 1) for p in range(k)]
    step = whole_ratio(n_in, n_out)
    if step is None:
        return None
    first, span = k // 2 + (step - k) // 2, (n_out - 1) * step + 1
    return 1, [(first + p, span, step) for p in range(k)]
