"""The orthonormal discrete cosine transform of images (DCT-II), and its exact inverse.

Both are two matrix products, so images may have any size and gradients flow through. Half types
are computed in float32.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.precision import in_full_precision


@in_full_precision
def dct(images: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
    """Coefficients of the cosines of u half waves down and v half waves across, at (u, v)."""
    rows, columns = (cosine_basis(n).to(images) for n in images.shape[-2:])
    return rows @ images @ columns.T


@in_full_precision
def inverse_dct(coefficients: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
    """The images with these coefficients."""
    rows, columns = (cosine_basis(n).to(coefficients) for n in coefficients.shape[-2:])
    return rows.T @ coefficients @ columns


def cosine_basis(n: int) -> Float[Tensor, "n n"]:
    """An orthonormal basis: row u is a cosine of u half waves over n pixels, in float64."""
    frequency, pixel = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n) + 0.5
    basis = math.sqrt(2 / n) * torch.cos(math.pi / n * frequency * pixel)
    basis[0] /= math.sqrt(2)
    return basis
