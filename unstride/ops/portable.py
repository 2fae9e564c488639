"""The operations in standard PyTorch operators, for exporters that know no others.

Small windows with whole ratios are computed tap by tap: taps are slices, which runtimes read
fastest, but a graph has k squared of them. Other windows are computed row by row: the k taps of a
row are gathered together, which takes k times the memory of the output. Sums are computed in the
tensors' own type. Groups lie in the batch, so that no tensor has more than five axes, except for
weights; some runtimes have no more.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.ops.portable_taps import sliced_taps, tap_matrix, window_rows

LARGEST_SLICED = 5  # side of a window; larger graphs take minutes to export


def reassemble_portable(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "b g k k H W"]
) -> Float[Tensor, "b c H W"]:
    """Same as `reassemble_reference`."""
    (b, c, h, w), (_, g, k, _, height, width) = features.shape, weights.shape
    grouped = features.reshape(b * g, c // g, h, w)
    taps = sliced_taps(grouped, height, width, k) if k <= LARGEST_SLICED else None
    if taps is not None:
        by_tap = weights.reshape(b * g, k * k, height, width).split(1, 1)
        terms = [tap * weight for tap, weight in zip(taps, by_tap, strict=True)]
    else:
        by_row = _weights_by_row(weights)
        rows = window_rows(grouped, height, width, k)
        terms = [row * weight for row, weight in zip(rows, by_row, strict=True)]
    total = sum(terms[1:], terms[0])
    total = total if taps is not None else total.sum(-1)  # once, for few nodes
    return total.reshape(b, c, height, width)


def correlate_portable(
    queries: Float[Tensor, "b c H W"],
    keys: Float[Tensor, "b c h w"],
    kernel_size: int,
    groups: int = 1,
) -> Float[Tensor, "b g k k H W"]:
    """Same as `correlate_reference`."""
    (b, c, height, width), (h, w), k, g = queries.shape, keys.shape[2:], kernel_size, groups
    grouped = keys.reshape(b * g, c // g, h, w)
    by_pixel = queries.reshape(b * g, c // g, height, width)
    taps = sliced_taps(grouped, height, width, k) if k <= LARGEST_SLICED else None
    if taps is not None:
        scores = torch.cat([(tap * by_pixel).sum(1, keepdim=True) for tap in taps], 1)
    else:
        rows = window_rows(grouped, height, width, k)
        by_row = [(row * by_pixel[..., None]).sum(1) for row in rows]
        scores = torch.stack(by_row, 1).permute(0, 1, 4, 2, 3)  # bg k k H W
    return scores.reshape(b, g, k, k, height, width)


def scatter_portable(
    values: Float[Tensor, "b c H W"],
    weights: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
) -> Float[Tensor, "b c h w"]:
    """Same as `scatter_reference`. Sums are products with matrices of ones and zeros."""
    (b, c, height, width), (g, k), (h, w) = values.shape, weights.shape[1:3], size
    grouped = values.reshape(b * g, c // g, height, width, 1)
    rows, columns = (
        tap_matrix(n_in, n_out, k, values) for n_in, n_out in ((h, height), (w, width))
    )
    columns = columns.reshape(width * k, w)
    terms = [
        rows[:, p].transpose(0, 1) @ ((grouped * weight).flatten(3) @ columns)
        for p, weight in enumerate(_weights_by_row(weights))
    ]
    return sum(terms[1:], terms[0]).reshape(b, c, h, w)


def _weights_by_row(
    weights: Float[Tensor, "b g k k H W"],
) -> tuple[Float[Tensor, "bg 1 H W k"], ...]:
    """The weights of each row of the window, the taps of the row last."""
    b, g, k, _, height, width = weights.shape
    merged = weights.reshape(b * g, k, k, height, width).permute(0, 1, 3, 4, 2)
    return merged.split(1, 1)
