"""The operations in standard PyTorch operators, for exporters that know no others.

They process one row of taps at a time, so that an exported graph has k nodes instead of k squared.
A row of taps takes k times the memory of the output; the references hold one tap at a time. Sums
are computed in the tensors' own type.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from unstride.ops.window import window_start


def reassemble_portable(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "b g k k H W"]
) -> Float[Tensor, "b c H W"]:
    """Same as `reassemble_reference`."""
    g, k = weights.shape[1:3]
    rows = _window_rows(features, weights.shape[4], weights.shape[5], k)
    parts = [
        (row.unflatten(1, (g, -1)) * weights[:, :, p].movedim(2, -1)[:, :, None]).sum(-1)
        for p, row in enumerate(rows)
    ]
    return torch.stack(parts).sum(0).flatten(1, 2)


def correlate_portable(
    queries: Float[Tensor, "b c H W"],
    keys: Float[Tensor, "b c h w"],
    kernel_size: int,
    groups: int = 1,
) -> Float[Tensor, "b g k k H W"]:
    """Same as `correlate_reference`."""
    rows = _window_rows(keys, queries.shape[2], queries.shape[3], kernel_size)
    scores = [
        (row * queries[..., None]).unflatten(1, (groups, -1)).sum(2).movedim(-1, 2) for row in rows
    ]
    return torch.stack(scores, 2)


def _window_rows(
    source: Float[Tensor, "b c h w"], height: int, width: int, k: int
) -> list[Float[Tensor, "b c H W k"]]:
    """For each row of the window, its k taps under every output pixel."""
    h, w = source.shape[2:]
    margin, device = k // 2, source.device
    padded = pad(source, (margin,) * 4)
    first = window_start(h, height, k, device) + margin
    taps = window_start(w, width, k, device)[:, None] + torch.arange(k, device=device) + margin
    wide = padded.index_select(3, taps.flatten()).unflatten(3, (-1, k))
    return [wide.index_select(2, first + p) for p in range(k)]
