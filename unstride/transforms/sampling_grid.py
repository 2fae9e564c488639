"""Builds sampling grids for `torch.nn.functional.grid_sample`."""

import torch
from jaxtyping import Float
from torch import Tensor


def outer_grid(x: Float[Tensor, "b W"], y: Float[Tensor, "b H"]) -> Float[Tensor, "b H W 2"]:
    """Combines the x of each column and the y of each row into a grid of (x, y)."""
    columns = x[:, None].expand(-1, y.shape[1], -1)
    rows = y[:, :, None].expand(-1, -1, x.shape[1])
    return torch.stack([columns, rows], -1)
