"""The operations in standard PyTorch operators, for exporters that know no others.

They process one row of taps at a time, so that an exported graph has k nodes instead of k squared.
A row of taps takes k times the memory of the output; the references hold one tap at a time. Sums
are computed in the tensors' own type. Groups lie in the batch, so that rows have five axes; some
runtimes have no more.
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
    (b, c, h, w), (_, g, k, _, height, width) = features.shape, weights.shape
    rows = _window_rows(features.reshape(b * g, c // g, h, w), height, width, k)
    by_pixel = weights.reshape(b * g, k, k, height, width).permute(1, 0, 3, 4, 2)[:, :, None]
    out: Tensor | float = 0.0
    for p, row in enumerate(rows):
        out = out + (row * by_pixel[p]).sum(-1)
    assert isinstance(out, Tensor)
    return out.reshape(b, c, height, width)


def correlate_portable(
    queries: Float[Tensor, "b c H W"],
    keys: Float[Tensor, "b c h w"],
    kernel_size: int,
    groups: int = 1,
) -> Float[Tensor, "b g k k H W"]:
    """Same as `correlate_reference`."""
    (b, c, height, width), (h, w), k, g = queries.shape, keys.shape[2:], kernel_size, groups
    rows = _window_rows(keys.reshape(b * g, c // g, h, w), height, width, k)
    by_pixel = queries.reshape(b * g, c // g, height, width, 1)
    scores = torch.stack([(row * by_pixel).sum(1) for row in rows], 1)  # bg k H W k
    return scores.permute(0, 1, 4, 2, 3).reshape(b, g, k, k, height, width)


def _window_rows(
    source: Float[Tensor, "b c h w"], height: int, width: int, k: int
) -> list[Float[Tensor, "b c H W k"]]:
    """For each row of the window, its k taps under every output pixel."""
    h, w = source.shape[2:]
    margin, device = k // 2, source.device
    padded = pad(source, (margin,) * 4)
    first = window_start(h, height, k, device) + margin
    taps = window_start(w, width, k, device)[:, None] + torch.arange(k, device=device) + margin
    wide = padded.index_select(3, taps.flatten()).unflatten(3, (width, k))
    return [wide.index_select(2, first + p) for p in range(k)]
