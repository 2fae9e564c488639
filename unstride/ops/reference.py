"""The definitions of the three operations. Read this file first; every backend must agree with it.

Each function loops over the k x k taps, so nothing k^2 times larger than its result is ever held.
Half types are summed in float32. They run on any device and float type, and autograd
differentiates them.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from unstride.ops.window import window_start
from unstride.precision import upcast_half


def reassemble_reference(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "b g k k H W"]
) -> Float[Tensor, "b c H W"]:
    """Weighted sum of the features in each output pixel's window; features beyond the border are 0.

    out[b, c, y, x] = sum_pq weights[b, g(c), p, q, y, x] features[b, c, row(y)+p, col(x)+q]
    """
    (b, c, h, w), (g, k, _, H, W) = features.shape, weights.shape[1:]
    source, weights = pad(upcast_half(features), (k // 2,) * 4), upcast_half(weights)
    rows, cols = _padded_window_start(h, H, k, features), _padded_window_start(w, W, k, features)

    out = source.new_zeros(b, g, c // g, H, W)
    for p in range(k):
        row = source.index_select(2, rows + p)
        for q in range(k):
            tap = row.index_select(3, cols + q).unflatten(1, (g, c // g))
            out = torch.addcmul(out, tap, weights[:, :, None, p, q])
    return out.flatten(1, 2).to(features.dtype)


def correlate_reference(
    queries: Float[Tensor, "b c H W"],
    keys: Float[Tensor, "b c h w"],
    kernel_size: int,
    groups: int = 1,
) -> Float[Tensor, "b g k k H W"]:
    """Dot product of each output pixel's query with each key in its window.

    This is the gradient of `reassemble` in its weights. Scores beyond the border are zero.
    """
    (_, c, H, W), (_, _, h, w), k, g = queries.shape, keys.shape, kernel_size, groups
    queries, source = upcast_half(queries), pad(upcast_half(keys), (k // 2,) * 4)
    rows, cols = _padded_window_start(h, H, k, keys), _padded_window_start(w, W, k, keys)

    scores = []
    for p in range(k):
        row = source.index_select(2, rows + p)
        for q in range(k):
            products = queries * row.index_select(3, cols + q)
            scores.append(products.unflatten(1, (g, c // g)).sum(2))
    return torch.stack(scores, 2).unflatten(2, (k, k)).to(keys.dtype)


def scatter_reference(
    values: Float[Tensor, "b c H W"],
    weights: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
) -> Float[Tensor, "b c h w"]:
    """Add each output pixel's value, weighted, to every input pixel in its window.

    The adjoint of `reassemble`: <scatter(v, w), f> = <v, reassemble(f, w)>.
    """
    (b, c, H, W), (g, k), (h, w) = values.shape, weights.shape[1:3], size
    source, weights, margin = upcast_half(values), upcast_half(weights), k // 2
    rows, cols = _padded_window_start(h, H, k, values), _padded_window_start(w, W, k, values)
    source = source.unflatten(1, (g, c // g))

    out = source.new_zeros(b, c, h + 2 * margin, w + 2 * margin)
    for p in range(k):
        row = source.new_zeros(b, c, H, w + 2 * margin)
        for q in range(k):
            row = row.index_add(3, cols + q, (source * weights[:, :, None, p, q]).flatten(1, 2))
        out = out.index_add(2, rows + p, row)
    return out[:, :, margin : margin + h, margin : margin + w].to(values.dtype)


def _padded_window_start(n_in: int, n_out: int, k: int, like: Tensor) -> Tensor:
    return window_start(n_in, n_out, k, like.device) + k // 2
